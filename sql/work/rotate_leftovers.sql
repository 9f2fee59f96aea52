-- Purpose: replace the tokens of the next rows left over in a lane whose locks are available, and close
--          the list's entries for them and for rows that no longer exist. Writes to the target.
-- Parameters: lane_id, after (the last entry looked at before, by id), size (how many at most).
-- Columns: last (entry looked at; NULL if there was none), rows (tokens replaced), lo, hi (least and
--          greatest key of the entries closed, as text; NULL if none was).
WITH due AS MATERIALIZED (
    SELECT leftover.id, leftover.key
    FROM {rotation_leftover} AS leftover
    WHERE leftover.lane_id = %(lane_id)s
        AND leftover.rotated_at IS NULL AND leftover.failure = ''
        AND leftover.id > %(after)s
    ORDER BY leftover.id
    LIMIT %(size)s
),

-- The columns have names that the table's own expressions can't mean.
free AS MATERIALIZED (
    SELECT due.id AS rotation_due_entry, target.{pk} AS rotation_due_key
    FROM due
    INNER JOIN {target} AS target ON {key} = due.key::{pk_type}
    FOR UPDATE OF target SKIP LOCKED
),

rotated AS (
    UPDATE {target} AS target
    SET {new_values}
    FROM free
    WHERE {key} = free.rotation_due_key::{pk_type} AND {filled}
    RETURNING free.rotation_due_entry
),

closed AS (
    UPDATE {rotation_leftover} AS leftover
    SET rotated_at = pg_catalog.clock_timestamp()
    FROM due
    WHERE leftover.id = due.id
        AND (
            due.id IN (SELECT free.rotation_due_entry FROM free)
            OR NOT EXISTS (SELECT FROM {target} AS target WHERE {key} = due.key::{pk_type})
        )
    RETURNING due.id, due.key
)

SELECT
    (SELECT pg_catalog.max(due.id) FROM due) AS last,
    (SELECT pg_catalog.count(*) FROM rotated) AS rows,
    (SELECT closed.key FROM closed ORDER BY closed.key::{pk_type} LIMIT 1) AS lo,
    (SELECT closed.key FROM closed ORDER BY closed.key::{pk_type} DESC LIMIT 1) AS hi;
