-- Purpose: the indexes, of the table or of each partition, that --reindex rebuilds: those that hold the
--          token, and those that have grown by more than a tenth since the rotation was recorded.
-- Parameters: oid, column (the token's), rotation, grown (whether those are meant, too).
-- Columns: schema, name, label (both, quoted where they must be), bytes, rebuilt (by this rotation),
--          leftover (an aborted rebuild left it: INVALID, used by no query), exclusion (of
--          an exclusion constraint: it can't be rebuilt while others write).
SELECT
    namespace.nspname AS schema,
    relation.relname AS name,
    relation.oid::regclass::text AS label,
    pg_catalog.pg_relation_size(relation.oid) AS bytes,
    rotation.rebuilt @> pg_catalog.to_jsonb(relation.oid::bigint) AS rebuilt,
    NOT index_.indisvalid AS leftover,
    index_.indisexclusion AS exclusion
FROM pg_catalog.pg_index AS index_
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = index_.indexrelid
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
INNER JOIN {rotation} AS rotation ON rotation.id = %(rotation)s
WHERE relation.relkind = 'i'
    AND index_.indrelid IN (
        SELECT %(oid)s::oid
        UNION ALL
        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
    -- Not an index that someone else left unfinished: we know nothing about it.
    AND (index_.indisvalid OR relation.relname ~ '_cc(new|old)[0-9]*$')
    AND (
        -- As a column, also of a constraint's index, or in an expression or a predicate.
        EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS column_
            LEFT JOIN pg_catalog.pg_depend AS used
                ON used.refclassid = 'pg_catalog.pg_class'::regclass
                AND used.refobjid = column_.attrelid
                AND used.refobjsubid = column_.attnum
                AND used.classid = 'pg_catalog.pg_class'::regclass
                AND used.objid = index_.indexrelid
            WHERE column_.attrelid = index_.indrelid
                AND column_.attname = %(column)s
                AND (column_.attnum = ANY(index_.indkey::int2[]) OR used.objid IS NOT NULL)
        )
        OR %(grown)s AND (
            NOT index_.indisvalid
            OR rotation.rebuilt @> pg_catalog.to_jsonb(relation.oid::bigint)
            -- Somebody may have written there by hand.
            OR CASE pg_catalog.jsonb_typeof(rotation.index_bytes -> relation.oid::text)
                WHEN 'number'
                    THEN 1.1 * (rotation.index_bytes ->> relation.oid::text)::numeric
                        < pg_catalog.pg_relation_size(relation.oid)
                ELSE false
            END
        )
    )
ORDER BY relation.oid;
