-- Purpose: the proof. By value, in one snapshot of the table: how many rows hold a token that is in
--          the revoked set.
-- Parameters: set, salt.
-- Columns: survivors.
SELECT pg_catalog.count(*) AS survivors
FROM {target} AS target
WHERE target.{column} IS NOT NULL
    AND EXISTS (
        SELECT FROM {rotation_revoked} AS revoked
        WHERE revoked.set_id = %(set)s
            AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
    );
