-- Purpose: lock every row of a window that is available at once, and note the others as holes, to be
--          rotated after all windows.
-- Parameters: lane_id; lo, hi (the window's first and last key); held_by (who holds them, if known).
-- Columns: key, of each hole.
WITH free AS MATERIALIZED (
    SELECT {key} AS key
    FROM {target} AS target
    WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
        AND {chosen}
    FOR UPDATE SKIP LOCKED
)

INSERT INTO {rotation_leftover} (lane_id, key, held_by)
SELECT %(lane_id)s, target.{pk}::text, %(held_by)s
FROM {target} AS target
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND {chosen}
    AND NOT EXISTS (SELECT FROM free WHERE free.key = {key})
ON CONFLICT DO NOTHING
RETURNING key;
