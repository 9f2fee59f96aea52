-- Purpose: whether this role sees what other roles' sessions do.
-- Columns: all.
SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS "all";
