"""The database as the engine sees it: one session per thread, statements from `sql/`, typed errors,
retries.

The only package that knows psycopg2. Of rotations it knows only which statements need which search path.
Everything in the engine imports from here; it imports events, errors and schema.
"""
