-- Purpose: every transaction that Citus has prepared on a node and not yet committed or rolled back
--          there.
-- Columns: node (host and port), answered (whether that node did), found (a JSON array of their names).
SELECT
    node.nodename || ':' || node.nodeport AS node,
    answer.success AS answered,
    answer.result AS found
FROM pg_catalog.run_command_on_all_nodes(
    $$
        SELECT coalesce(pg_catalog.json_agg(gid), '[]')
        FROM pg_catalog.pg_prepared_xacts
        WHERE database = pg_catalog.current_database() AND gid ~ '^citus_'
    $$
) AS answer
INNER JOIN pg_catalog.pg_dist_node AS node ON node.nodeid = answer.nodeid;
