-- Purpose: store the salted hash of every token that is valid now. One statement, and so one snapshot of
--          the table; no token leaves the server, and none is stored a second time.
-- Parameters: set, rotation, salt; sorted (the set already has an index, and is filled in its order).
INSERT INTO {rotation_revoked} (set_id, rotation_id, hash)
SELECT %(set)s, %(rotation)s, present.hash
FROM (
    SELECT {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE {chosen}
) AS present
ORDER BY CASE WHEN %(sorted)s THEN present.hash END;
