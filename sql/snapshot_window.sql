-- Purpose: keep the salted hash of every token of one window. No token leaves the server, and none is
--          stored a second time.
-- Parameters: rotation, salt; lo, hi (the window's first and last key).
INSERT INTO {rotation_revoked} (rotation_id, hash)
SELECT %(rotation)s, {rotation_hash}(target.{column}, %(salt)s)
FROM {target} AS target
WHERE target.{pk} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND target.{column} IS NOT NULL;
