-- Purpose: the guard of a table's column: its two triggers, and whether they can be relied on.
-- Parameters: oid (of the table), attnum (of the column).
-- Columns: name, inserting (else updating), problem (why it can't be relied on; NULL for none), drop
--          (the statement that drops the trigger).
SELECT
    half.name,
    half.inserting,
    half.problem,
    pg_catalog.concat(
        'DROP TRIGGER ', pg_catalog.quote_ident(half.name), ' ON ',
        pg_catalog.quote_ident(namespace.nspname), '.', pg_catalog.quote_ident(relation.relname)
    ) AS drop
FROM {rotation_inspect_guard}(%(oid)s::oid, %(attnum)s::smallint) AS half
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = %(oid)s::oid
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
ORDER BY half.inserting, half.name;
