-- Purpose: remember how many hashes a list of leaked tokens added to a rotation's revoked set.
-- Parameters: rotation, added.
UPDATE {rotation}
SET leaked = leaked + %(added)s
WHERE id = %(rotation)s;
