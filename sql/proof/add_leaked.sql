-- Purpose: add those of a list of leaked tokens to a set of revoked ones that it does not have.
-- Parameters: set, rotation, salt.
WITH listed AS (
    SELECT DISTINCT {rotation_hash}(token, %(salt)s::bigint) AS hash FROM pg_temp.leaked_token
)

INSERT INTO {rotation_revoked} (set_id, rotation_id, hash)
SELECT %(set)s, %(rotation)s, listed.hash
FROM listed
WHERE NOT EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s
        AND revoked.rotation_id = %(rotation)s
        AND revoked.hash = listed.hash
);
