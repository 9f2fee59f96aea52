-- Purpose: make the place for a rotation's set of revoked tokens, unless it is there.
-- Parameters: rotation.
SELECT {rotation_open_revoked}(%(rotation)s);
