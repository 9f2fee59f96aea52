-- Purpose: whether the present transaction has written or locked a row, so that others may wait for it.
-- Columns: one, which tells.
SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL;
