-- Purpose: the rows whose token a rotation has replaced, as CSV: their keys, and what else was asked
--          for. A row belongs to it if its key is in the part of a lane that is done, and not left over.
--          Never the token.
-- Parameters: rotation.
COPY (
    SELECT {key_columns}
    FROM (SELECT target.* FROM {target} AS target WHERE {chosen}) AS target
    INNER JOIN {batchprogress} AS lane
        ON lane.rotation_id = %(rotation)s
        AND {key} BETWEEN lane.lower::{pk_type} AND lane.last_id::{pk_type}
    WHERE NOT EXISTS (
        SELECT FROM {rotation_leftover} AS hole
        WHERE hole.lane_id = lane.id
            AND pg_catalog.hashtextextended(hole.key COLLATE "C", 0)
                = pg_catalog.hashtextextended(target.{pk}::text COLLATE "C", 0)
            AND hole.rotated_at IS NULL
            AND NOT hole.survivor
    )
) TO STDOUT (FORMAT csv, HEADER);
