-- Purpose: rotate_window.sql for a reference table of Citus, of which every node has a copy: the tokens
--          are made once, and sent to all. The range is given twice, so that every copy is read by its
--          index.
-- Parameters: lo, hi (the window's first and last key).
WITH made AS MATERIALIZED (
    SELECT target.{pk} AS key, {new_token} AS token
    FROM {target} AS target
    WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
        AND {chosen}
)

UPDATE {target} AS target
SET {column} = made.token
FROM made
WHERE target.{pk} = made.key
    AND {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND {chosen};
