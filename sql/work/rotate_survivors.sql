-- Purpose: replace the tokens of rows left over that this transaction has locked. Writes to the target.
-- Parameters: ids (of the entries).
UPDATE {target} AS target
SET {column} = {new_token}
FROM {rotation_leftover} AS leftover
WHERE leftover.id = ANY (%(ids)s::bigint[])
    AND {key} = leftover.key::{pk_type}
    AND target.{column} IS NOT NULL;
