-- Purpose: copy_keys.sql for rows on other nodes, which can't be joined with the state: they are brought
--          here first.
-- Parameters: rotation.
COPY (
    WITH present AS MATERIALIZED (
        SELECT target.{pk} AS key_of_row, {key_columns}
        FROM {target} AS target
        WHERE target.{column} IS NOT NULL
    )

    SELECT {key_columns}
    FROM present AS target
    INNER JOIN {batchprogress} AS lane
        ON lane.rotation_id = %(rotation)s
        AND target.key_of_row BETWEEN lane.lower::{pk_type} AND lane.last_id::{pk_type}
    WHERE NOT EXISTS (
        SELECT FROM {rotation_leftover} AS hole
        WHERE hole.lane_id = lane.id
            AND pg_catalog.hashtextextended(hole.key COLLATE "C", 0)
                = pg_catalog.hashtextextended(target.key_of_row::text COLLATE "C", 0)
            AND hole.rotated_at IS NULL
            AND NOT hole.survivor
    )
) TO STDOUT (FORMAT csv, HEADER);
