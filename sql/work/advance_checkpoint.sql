-- Purpose: move a lane's checkpoint from exactly what was read when it was claimed, and write the
--          journal, in the window's transaction. If the checkpoint has changed since, or the rotation
--          was ended, this writes nothing and returns no row, and the window must be rolled back.
-- Parameters: lane_id, last_id (as read), reached (the checkpoint from now on), lo, hi, rows,
--          milliseconds, throttled (milliseconds before that), throttle (why), worker, writable
--          (statuses of the rotation in which its windows may commit).
-- Columns: id of the journal's row.
WITH advanced AS (
    UPDATE {batchprogress} AS lane
    SET last_id = %(reached)s,
        rows = lane.rows + %(rows)s,
        windows = lane.windows + 1,
        worker = %(worker)s,
        updated_at = pg_catalog.clock_timestamp()
    FROM {rotation} AS rotation
    WHERE lane.id = %(lane_id)s
        AND lane.last_id IS NOT DISTINCT FROM %(last_id)s
        AND rotation.id = lane.rotation_id
        AND rotation.status = ANY (%(writable)s)
    RETURNING lane.id, lane.rotation_id
)

INSERT INTO {rotation_window} (
    rotation_id, lane_id, lo, hi, rows, milliseconds, throttled, throttle, transaction_id, worker,
    finished_at
)
SELECT
    rotation_id, id, %(lo)s, %(hi)s, %(rows)s, %(milliseconds)s, %(throttled)s, %(throttle)s,
    pg_catalog.pg_current_xact_id()::text::bigint, %(worker)s, pg_catalog.clock_timestamp()
FROM advanced
RETURNING id;
