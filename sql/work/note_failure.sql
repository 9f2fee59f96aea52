-- Purpose: note that the token of a row that is left over can't be replaced: it is not tried again in
--          this run.
-- Parameters: id (of the entry), failure.
UPDATE {rotation_leftover} AS leftover
SET failure = %(failure)s
WHERE leftover.id = %(id)s AND leftover.rotated_at IS NULL;
