-- Purpose: the properties of a table, besides its columns, that matter for rewriting one of them.
-- Parameters: oid, attnum (of the token's column).
-- Columns: in_partition_key, update_rules (names; NULL for none), row_security, unlogged,
--          identity_holds_token (the table's or any partition's replica identity does), may_install
--          (this role may create a trigger and ENABLE ALWAYS it), may_vacuum, may_rebuild (its indexes).
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_partitioned_table AS partitioned
        WHERE partitioned.partrelid = relation.oid
            AND (
                column_.attnum = ANY (partitioned.partattrs::int2[])
                OR pg_catalog.pg_get_expr(partitioned.partexprs, partitioned.partrelid)
                    ~ (E'\\m' || column_.attname || E'\\M')
            )
    ) AS in_partition_key,
    (
        SELECT pg_catalog.string_agg(rule.rulename, ', ')
        FROM pg_catalog.pg_rewrite AS rule
        WHERE rule.ev_class = relation.oid AND rule.ev_type = '2' AND rule.ev_enabled <> 'D'
    ) AS update_rules,
    relation.relrowsecurity AS row_security,
    relation.relpersistence = 'u' AS unlogged,
    published.identity_holds_token,
    pg_catalog.pg_has_role(relation.relowner, 'USAGE') AS may_install,
    pg_catalog.pg_has_role(relation.relowner, 'USAGE')
    OR pg_catalog.pg_has_role(
        (
            SELECT database.datdba
            FROM pg_catalog.pg_database AS database
            WHERE database.datname = pg_catalog.current_database()
        ),
        'USAGE'
    )
    OR maintain.granted AS may_vacuum,
    pg_catalog.pg_has_role(relation.relowner, 'USAGE') OR maintain.granted AS may_rebuild
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = relation.oid AND column_.attnum = %(attnum)s
CROSS JOIN LATERAL (
    -- Since PostgreSQL 17; older ones do not know this privilege.
    SELECT
        CASE
            WHEN pg_catalog.current_setting('server_version_num')::int >= 170000
                THEN pg_catalog.has_table_privilege(relation.oid, 'MAINTAIN')
            ELSE false
        END AS granted
) AS maintain
CROSS JOIN LATERAL (
    -- The rows of the partitions are published, each by its own identity.
    SELECT
        pg_catalog.bool_or(
            leaf.relreplident = 'f'
            OR EXISTS (
                SELECT FROM pg_catalog.pg_index AS identity
                INNER JOIN pg_catalog.pg_attribute AS held
                    ON held.attrelid = identity.indrelid
                    AND held.attnum = ANY (identity.indkey::int2[])
                WHERE identity.indrelid = leaf.oid
                    AND identity.indisreplident
                    AND held.attname = column_.attname
            )
        ) AS identity_holds_token
    FROM pg_catalog.pg_class AS leaf
    WHERE leaf.relkind = 'r'
        AND leaf.oid IN (
            SELECT relation.oid

            UNION ALL

            SELECT relid FROM pg_catalog.pg_partition_tree(relation.oid::regclass)
        )
) AS published
WHERE relation.oid = %(oid)s::oid;
