-- Purpose: whether this server knows a version of a database's default collation (since PostgreSQL 15).
-- Columns: known.
SELECT
    pg_catalog.to_regprocedure('pg_catalog.pg_database_collation_actual_version(oid)') IS NOT NULL
        AS known;
