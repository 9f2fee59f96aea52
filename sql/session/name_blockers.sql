-- Purpose: who holds the locks that a window waits for. Names sessions by pid and by the start time of
--          their query, never by the query itself: its text may contain a token.
-- Parameters: pid (the waiting backend).
-- Columns: pid (0: a prepared transaction), application_name, state, query_start,
--          seconds since then.
SELECT
    blocker.pid,
    activity.application_name,
    activity.state,
    pg_catalog.to_char(activity.query_start, 'HH24:MI:SS') AS query_start,
    extract(epoch FROM pg_catalog.clock_timestamp() - activity.query_start)::float8 AS seconds
FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%(pid)s)) AS blocker (pid)
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocker.pid
ORDER BY activity.query_start;
