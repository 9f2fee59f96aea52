-- Purpose: make the place for what a rotation revokes, unless it is there: the set of its column.
-- Parameters: rotation.
SELECT {rotation_open_revoked}(%(rotation)s::bigint);
