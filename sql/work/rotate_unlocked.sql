-- Purpose: replace the tokens of a window except its holes, whose locks are not available. Writes to
--          the target.
-- Parameters: lane_id; lo, hi (the window's first and last key); with slices, those of
--          localize_uuid.sql.
UPDATE {target} AS target
SET {window_values}
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND {chosen}
    AND NOT EXISTS (
        SELECT FROM {rotation_leftover} AS hole
        WHERE hole.lane_id = %(lane_id)s
            -- As its index has it; the verification finds two keys with one hash.
            AND pg_catalog.hashtextextended(hole.key COLLATE "C", 0)
                = pg_catalog.hashtextextended(target.{pk}::text COLLATE "C", 0)
            AND hole.rotated_at IS NULL
    );
