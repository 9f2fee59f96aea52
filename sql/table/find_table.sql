-- Purpose: find a table by its exact name. The names are compared as text: as a `name`, one of more
--          than 63 bytes would be truncated and could match another table.
-- Parameters: schema (NULL: as the search path finds it), name.
-- Columns: oid, schema, name, kind (pg_class.relkind), persistence, system (in a schema of
--          PostgreSQL's own), may_use_schema, hides_rows (row-level security applies to this role),
--          partition_of (NULL for none), inherits (is an inheritance child, or has some).
SELECT
    relation.oid::bigint,
    namespace.nspname AS schema,
    relation.relname AS name,
    relation.relkind AS kind,
    relation.relpersistence AS persistence,
    namespace.nspname IN ('pg_catalog', 'information_schema', 'pg_toast') AS system,
    pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AS may_use_schema,
    CASE WHEN relation.relkind IN ('r', 'p') THEN pg_catalog.row_security_active(relation.oid) END
        AS hides_rows,
    CASE
        WHEN relation.relispartition
            THEN pg_catalog.pg_partition_root(relation.oid)::regclass::text
    END AS partition_of,
    EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS inheritance
        WHERE (inheritance.inhrelid = relation.oid AND NOT relation.relispartition)
            OR (inheritance.inhparent = relation.oid AND relation.relkind = 'r')
    ) AS inherits
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relname::text = %(name)s
    AND (
        namespace.nspname::text = %(schema)s
        OR (%(schema)s IS NULL AND pg_catalog.pg_table_is_visible(relation.oid))
    )
    AND relation.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'c', 't');
