-- Purpose: add a list of leaked tokens to a rotation's revoked set, those that it has not.
-- Parameters: rotation, salt.
WITH listed AS (
    SELECT DISTINCT {rotation_hash}({leaked_token}, %(salt)s) AS hash FROM pg_temp.leaked_token
)

INSERT INTO {rotation_revoked} (rotation_id, hash)
SELECT %(rotation)s, listed.hash
FROM listed
WHERE NOT EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.rotation_id = %(rotation)s AND revoked.hash = listed.hash
);
