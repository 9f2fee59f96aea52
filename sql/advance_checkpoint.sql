-- Purpose: move a lane's checkpoint from exactly what was read when it was claimed, and write the
--          journal, in the window's transaction. Nothing is written, no row comes back, and the
--          window must be rolled back, if the checkpoint is not what was read, if the rotation was
--          ended meanwhile, or if the name that the UPDATE went by is no longer the table and column
--          that the rotation was begun on. The UPDATE's lock keeps that name from moving now.
-- Parameters: lane_id, last_id (as read), lo, hi, rows, milliseconds, worker; schema, table, column,
--          column_type (the target as it was found at the start).
-- Columns: id of the journal's row.
WITH advanced AS (
    UPDATE {batchprogress} AS lane
    SET last_id = %(hi)s,
        rows = lane.rows + %(rows)s,
        windows = lane.windows + 1,
        worker = %(worker)s,
        updated_at = pg_catalog.clock_timestamp()
    FROM {rotation} AS rotation
    WHERE lane.id = %(lane_id)s
        AND lane.last_id IS NOT DISTINCT FROM %(last_id)s
        AND rotation.id = lane.rotation_id
        AND rotation.status = 'running'
        AND EXISTS (
            SELECT FROM pg_catalog.pg_class AS relation
            INNER JOIN pg_catalog.pg_namespace AS namespace
                ON namespace.oid = relation.relnamespace
            INNER JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = relation.oid
            WHERE relation.oid = rotation.table_oid::oid
                AND relation.relname = %(table)s
                AND namespace.nspname = %(schema)s
                AND column_.attnum = rotation.token_attnum
                AND column_.attname = %(column)s
                AND column_.atttypid = %(column_type)s::regtype
        )
    RETURNING lane.id, lane.rotation_id
)
INSERT INTO {rotation_window} (
    rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id, worker, finished_at
)
SELECT
    rotation_id, id, %(lo)s, %(hi)s, %(rows)s, %(milliseconds)s,
    pg_catalog.pg_current_xact_id()::text::bigint, %(worker)s, pg_catalog.clock_timestamp()
FROM advanced
RETURNING id;
