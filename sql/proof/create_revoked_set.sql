-- Purpose: create the set of revoked tokens for a rotation's column, unless it exists.
-- Parameters: rotation.
SELECT {rotation_create_set}(%(rotation)s::bigint);
