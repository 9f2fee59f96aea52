-- Purpose: replace the tokens of rows left over that this transaction has locked. Writes to the target.
-- Parameters: ids (of the entries).
UPDATE {target} AS target
SET {new_values}
FROM (
    -- By a name that the table's own expressions can't mean.
    SELECT leftover.key AS rotation_due_key
    FROM {rotation_leftover} AS leftover
    WHERE leftover.id = ANY (%(ids)s::bigint[])
) AS due
WHERE {key} = due.rotation_due_key::{pk_type}
    AND target.{column} IS NOT NULL;
