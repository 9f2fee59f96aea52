-- Purpose: replace the tokens of a window except its holes, whose locks are not available. Writes to
--          the target.
-- Parameters: lane_id; lo, hi (the window's first and last key).
UPDATE {target} AS target
SET {column} = {new_token}
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND target.{column} IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM {rotation_leftover} AS hole
        WHERE hole.lane_id = %(lane_id)s
            AND hole.key = target.{pk}::text
            AND hole.rotated_at IS NULL
    );
