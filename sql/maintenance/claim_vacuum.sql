-- Purpose: claim the vacuum of the target, if it is due after so many replaced rows.
-- Parameters: rotation, percent (of the rows).
-- Columns: mark (no transaction before it is still running: what hinders this vacuum is older);
--          no row if it is not due, or another process has claimed it.
UPDATE {rotation} AS rotation
SET vacuumed = done.rows
FROM (
    SELECT coalesce(pg_catalog.sum(lane.rows), 0)::bigint AS rows
    FROM {batchprogress} AS lane
    WHERE lane.rotation_id = %(rotation)s
) AS done
WHERE rotation.id = %(rotation)s
    AND (done.rows - rotation.vacuumed) * 100 >= %(percent)s * rotation.rows_total
RETURNING pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text AS mark;
