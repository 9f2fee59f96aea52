"""The database as the engine sees it: one session per thread, statements from `sql/`, typed errors,
retries.

The only package that knows the driver, psycopg2 or psycopg 3; within it, the module `driver`. Of
rotations it knows only which statements need which search path. Everything in the engine imports
from here; it imports events, errors and schema.
"""
