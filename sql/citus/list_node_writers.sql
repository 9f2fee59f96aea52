-- Purpose: list_writers.sql for a table distributed by Citus: on each node, every transaction that
--          holds a writer's lock on one of its shards, or on the table itself. This includes prepared
--          ones.
-- Parameters: oid.
-- Columns: node (host and port), answered (whether that node did), found (a JSON
--          array of them).
SELECT
    node.nodename || ':' || node.nodeport AS node,
    answer.success AS answered,
    answer.result AS found
FROM pg_catalog.run_command_on_all_nodes(
    pg_catalog.replace(
        $$
            SELECT coalesce(
                pg_catalog.json_agg(
                    DISTINCT virtualtransaction || coalesce(' of pid ' || pid, ', prepared')
                ),
                '[]'
            )
            FROM pg_catalog.pg_locks
            WHERE locktype = 'relation'
                AND database = (
                    SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database()
                )
                AND relation = ANY (
                    SELECT pg_catalog.to_regclass(name)::oid
                    FROM pg_catalog.unnest(<names>::text[]) AS name
                )
                AND mode IN (
                    'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
                )
        $$,
        '<names>',
        pg_catalog.quote_literal(
            (
                SELECT pg_catalog.array_agg(pg_catalog.shard_name(logicalrelid, shardid))
                FROM pg_catalog.pg_dist_shard
                WHERE logicalrelid = %(oid)s::oid
            ) || %(oid)s::oid::regclass::text
        )
    )
) AS answer
INNER JOIN pg_catalog.pg_dist_node AS node ON node.nodeid = answer.nodeid;
