-- Purpose: the keys after which another partition starts, if partitions are ranges of the primary key:
--          lanes that end there keep every window in one partition. Hash partitions have no
--          such keys. A bound itself belongs to the partition after it, so the cut is the last key
--          before it.
-- Parameters: oid, pk (the key's name).
-- Columns: cut (a key as text; in no order).
WITH bounds AS (
    SELECT DISTINCT coalesce(pg_catalog.replace(found[1], '''''', ''''), found[2]) AS bound
    FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass) AS part
    INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = part.relid
    INNER JOIN pg_catalog.pg_partitioned_table AS parent
        ON parent.partrelid = part.parentrelid AND parent.partstrat = 'r' AND parent.partnatts = 1
    INNER JOIN pg_catalog.pg_attribute AS key
        ON key.attrelid = parent.partrelid AND key.attnum = parent.partattrs[0]
        AND key.attname = %(pk)s
    -- FOR VALUES FROM ('1') TO ('1000'); MINVALUE and MAXVALUE are not cuts.
    CROSS JOIN LATERAL pg_catalog.regexp_matches(
        pg_catalog.pg_get_expr(relation.relpartbound, relation.oid),
        E'\\((?:''((?:[^'']|'''')*)''|(-?[0-9.]+))\\)',
        'g'
    ) AS bound (found)
)

SELECT DISTINCT last.key::text AS cut
FROM bounds
CROSS JOIN LATERAL (
    SELECT {pk} AS key
    FROM {target}
    WHERE {pk} < bounds.bound::{pk_type}
    ORDER BY {pk} DESC
    LIMIT 1
) AS last;
