-- Purpose: until the transaction's next statement, resolve names only to PostgreSQL's own operators and
--          functions and to the rotation's state, in whose schema nobody else may create objects.
SET LOCAL search_path TO pg_catalog, {state}, pg_temp;
