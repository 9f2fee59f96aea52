-- Purpose: every open transaction that has written to the target or is about to. The barrier waits until
--          none of those in the first list is listed any more; it takes no lock, so nothing waits for
--          it. Windows of the rotation itself don't count: they hold the lock on a lane, and write no
--          old token.
-- Parameters: oid, rotation.
-- Columns: transaction (pg_locks.virtualtransaction), pid (NULL: a prepared transaction).
SELECT DISTINCT
    held.virtualtransaction AS transaction,
    held.pid
FROM pg_catalog.pg_locks AS held
WHERE held.locktype = 'relation'
    AND held.database = (
        SELECT database.oid
        FROM pg_catalog.pg_database AS database
        WHERE database.datname = pg_catalog.current_database()
    )
    AND held.relation IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
    AND held.mode IN (
        'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
    )
    AND held.virtualtransaction NOT IN (
        SELECT worker.virtualtransaction
        FROM pg_catalog.pg_locks AS worker
        INNER JOIN {batchprogress} AS lane ON lane.xmax = worker.transactionid
        WHERE worker.locktype = 'transactionid'
            AND worker.granted
            AND lane.rotation_id = %(rotation)s
    );
