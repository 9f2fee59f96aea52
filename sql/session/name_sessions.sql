-- Purpose: describe sessions, or those that hold the locks which a session waits for: by pid and by the
--          start time of their query, never by the query itself: its text may contain a token.
-- Parameters: pids (NULL: those that block `pid`), pid (the waiting backend; NULL if there are pids).
-- Columns: pid (0: a prepared transaction), application_name, state, query_start, seconds since then.
SELECT
    session.pid,
    activity.application_name,
    activity.state,
    pg_catalog.to_char(activity.query_start, 'HH24:MI:SS') AS query_start,
    extract(epoch FROM pg_catalog.clock_timestamp() - activity.query_start)::float8 AS seconds
FROM pg_catalog.unnest(
    coalesce(%(pids)s::int[], pg_catalog.pg_blocking_pids(%(pid)s::int))
) AS session (pid)
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = session.pid
ORDER BY activity.query_start;
