"""The database as the engine sees it: one session per thread, statements from `sql/`, typed errors,
retries.

The only package that knows psycopg2. It knows nothing about rotations.
Everything in the engine imports from here; it imports events, errors and text.
"""
