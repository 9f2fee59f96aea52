-- Purpose: let one process at a time take a rotation's snapshot of tokens, until COMMIT.
-- Parameters: rotation.
-- Columns: alone (no other process is about it).
SELECT pg_catalog.pg_try_advisory_xact_lock(
    pg_catalog.hashtext('rotation_revoked'), %(rotation)s
) AS alone;
