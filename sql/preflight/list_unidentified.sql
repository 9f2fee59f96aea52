-- Purpose: the tables that a rotation updates (the target, its partitions, those to which a foreign key
--          carries its tokens, the state) whose published updates PostgreSQL refuses, because
--          subscribers could not tell which row is meant.
-- Parameters: oid, attnum (of the token's column), schema (of the state).
-- Columns: table, publications (names), lacks (nothing: REPLICA IDENTITY NOTHING; key: it has no primary
--          key; deferrable: that is; index: the one of its identity is gone; columns: a row filter or
--          list of columns of the publication does not agree with its identity).
WITH updated AS (
    SELECT tree.relid::oid AS oid
    FROM (
        SELECT %(oid)s::oid AS oid

        UNION

        SELECT reference.conrelid
        FROM pg_catalog.pg_constraint AS reference
        WHERE reference.contype = 'f'
            AND reference.confrelid = %(oid)s::oid
            AND %(attnum)s = ANY (reference.confkey)
            AND reference.confupdtype NOT IN ('a', 'r')

        UNION

        SELECT state.oid
        FROM pg_catalog.pg_class AS state
        INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = state.relnamespace
        WHERE namespace.nspname = %(schema)s
            AND state.relname IN ('rotation', 'batchprogress', 'rotation_leftover')
    ) AS root
    -- A table that is no partition and has none is not in its tree.
    CROSS JOIN LATERAL (
        SELECT root.oid AS relid

        UNION

        SELECT part.relid FROM pg_catalog.pg_partition_tree(root.oid::regclass) AS part
    ) AS tree
),

published AS (
    SELECT DISTINCT
        leaf.oid,
        home.nspname,
        leaf.relname,
        leaf.relreplident,
        publication.pubname,
        publication.oid AS publication_oid
    FROM updated
    INNER JOIN pg_catalog.pg_class AS leaf ON leaf.oid = updated.oid AND leaf.relkind = 'r'
    INNER JOIN pg_catalog.pg_namespace AS home ON home.oid = leaf.relnamespace
    -- A partition is published with each of the tables that it is a part of.
    CROSS JOIN LATERAL (
        SELECT leaf.oid AS relid

        UNION

        SELECT ancestor.relid FROM pg_catalog.pg_partition_ancestors(leaf.oid::regclass) AS ancestor
    ) AS whole
    INNER JOIN pg_catalog.pg_class AS listed ON listed.oid = whole.relid
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = listed.relnamespace
    -- Not by a cast to regclass: that fails for a schema that this role may not use.
    INNER JOIN pg_catalog.pg_publication_tables AS of_publication
        ON of_publication.schemaname = namespace.nspname AND of_publication.tablename = listed.relname
    INNER JOIN pg_catalog.pg_publication AS publication ON publication.pubname = of_publication.pubname
    WHERE publication.pubupdate
),

identified AS (
    SELECT
        published.*,
        identity.indkey::int2[] AS columns,
        primary_.immediate
    FROM published
    LEFT JOIN LATERAL (
        SELECT key.indimmediate AS immediate
        FROM pg_catalog.pg_index AS key
        WHERE key.indrelid = published.oid AND key.indisprimary AND key.indisvalid
    ) AS primary_ ON true
    LEFT JOIN pg_catalog.pg_index AS identity
        ON identity.indrelid = published.oid
        AND identity.indisvalid
        AND CASE published.relreplident
            WHEN 'd' THEN identity.indisprimary AND identity.indimmediate
            WHEN 'i' THEN identity.indisreplident
            ELSE false
        END
),

judged AS (
    SELECT
        identified.*,
        CASE
            WHEN identified.relreplident = 'n' THEN 'nothing'
            WHEN identified.relreplident = 'i' AND identified.columns IS NULL THEN 'index'
            WHEN identified.relreplident = 'd' AND identified.columns IS NULL
                THEN CASE WHEN identified.immediate IS NULL THEN 'key' ELSE 'deferrable' END
            WHEN EXISTS (
                SELECT
                FROM pg_catalog.pg_publication_rel AS listed
                -- PostgreSQL 14 has no filters and lists of columns.
                CROSS JOIN LATERAL pg_catalog.to_jsonb(listed) AS its (given)
                WHERE listed.prpubid = identified.publication_oid
                    AND listed.prrelid = identified.oid
                    AND (
                        -- The identity must be published as a whole,
                        (
                            its.given ->> 'prattrs' IS NOT NULL
                            AND (
                                identified.relreplident = 'f'
                                OR NOT its.given -> 'prattrs'
                                    @> pg_catalog.to_jsonb(identified.columns)
                            )
                        )
                        -- and a filter may read nothing else.
                        OR (
                            identified.relreplident <> 'f'
                            AND EXISTS (
                                SELECT
                                FROM pg_catalog.regexp_matches(
                                    its.given ->> 'prqual', ':varattno ([0-9]+)', 'g'
                                ) AS read (attnum)
                                WHERE read.attnum[1]::int2 <> ALL (identified.columns)
                            )
                        )
                    )
            ) THEN 'columns'
        END AS lacks
    FROM identified
)

SELECT
    pg_catalog.concat_ws(
        '.', pg_catalog.quote_ident(judged.nspname), pg_catalog.quote_ident(judged.relname)
    ) AS table,
    pg_catalog.string_agg(
        pg_catalog.quote_ident(judged.pubname), ', ' ORDER BY judged.pubname
    ) AS publications,
    judged.lacks
FROM judged
WHERE judged.lacks IS NOT NULL
GROUP BY judged.nspname, judged.relname, judged.lacks
ORDER BY judged.nspname, judged.relname;
