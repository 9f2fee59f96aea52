-- Purpose: move a lane's checkpoint from exactly what was read when it was claimed, and write the
--          journal, in the window's transaction. If the checkpoint is not what was read, nothing
--          is written, no row comes back, and the window must be rolled back.
-- Parameters: lane_id, last_id (as read), hi, rows, lo, milliseconds, worker.
-- Columns: id of the journal's row.
WITH advanced AS (
    UPDATE {batchprogress}
    SET last_id = %(hi)s,
        rows = rows + %(rows)s,
        windows = windows + 1,
        worker = %(worker)s,
        updated_at = pg_catalog.clock_timestamp()
    WHERE id = %(lane_id)s
        AND last_id IS NOT DISTINCT FROM %(last_id)s
    RETURNING id, rotation_id
)
INSERT INTO {rotation_window} (
    rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id, worker, finished_at
)
SELECT
    rotation_id, id, %(lo)s, %(hi)s, %(rows)s, %(milliseconds)s,
    pg_catalog.pg_current_xact_id()::text::bigint, %(worker)s, pg_catalog.clock_timestamp()
FROM advanced
RETURNING id;
