-- Purpose: whether this role sees what sessions of other roles do.
-- Columns: all.
SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS "all";
