-- Purpose: note every row of a window as a hole, to be rotated after all windows: some of them can't be
--          updated, or, where Citus does not say which, their locks are not available.
-- Parameters: lane_id; lo, hi (the window's first and last key); held_by (who holds them, if known).
-- Columns: key, of each hole.
INSERT INTO {rotation_leftover} (lane_id, key, held_by)
SELECT %(lane_id)s, target.{pk}::text, %(held_by)s
FROM {target} AS target
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND {chosen}
ON CONFLICT DO NOTHING
RETURNING key;
