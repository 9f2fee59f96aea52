-- Purpose: how much WAL the server has written, by everybody.
-- Columns: written (bytes since the cluster was made).
SELECT (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_catalog.pg_lsn)::bigint AS written;
