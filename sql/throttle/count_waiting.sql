-- Purpose: how many sessions wait for locks that a rotation's windows hold. A locked lane's xmax is the
--          transaction that holds the lock.
-- Parameters: rotation.
-- Columns: waiting.
WITH worker AS MATERIALIZED (
    SELECT held.pid
    FROM pg_catalog.pg_locks AS held
    INNER JOIN {batchprogress} AS lane ON lane.xmax = held.transactionid
    WHERE held.locktype = 'transactionid'
        AND held.granted
        AND lane.rotation_id = %(rotation)s
)

SELECT pg_catalog.count(DISTINCT waits.pid) AS waiting
FROM pg_catalog.pg_locks AS waits
WHERE NOT waits.granted
    AND waits.pid NOT IN (SELECT worker.pid FROM worker)
    AND pg_catalog.pg_blocking_pids(waits.pid) && ARRAY(SELECT worker.pid FROM worker);
