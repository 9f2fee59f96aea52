-- Purpose: until the transaction's next statement, find nothing but PostgreSQL's own operators and
--          functions, and the tables of the rotation's state, in whose schema nobody else may create
--          any.
SET LOCAL search_path TO pg_catalog, {state}, pg_temp;
