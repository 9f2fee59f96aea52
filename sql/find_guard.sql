-- Purpose: the guards of a table's column.
-- Parameters: oid (of the table), column.
-- Columns: name, function (its signature), enabled (nothing switches it off, on no partition either),
--          version (of what it was installed from; see GuardSql).
SELECT
    trigger_.tgname AS name,
    trigger_.tgfoid::regprocedure::text AS function,
    (
        -- A stands for ENABLE ALWAYS.
        SELECT pg_catalog.bool_and(part.tgenabled = 'A')
        FROM pg_catalog.pg_trigger AS part
        WHERE part.tgfoid = trigger_.tgfoid
            AND part.tgrelid IN (
                SELECT %(oid)s::oid

                UNION ALL

                SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
            )
    ) AS enabled,
    pg_catalog.obj_description(trigger_.oid, 'pg_trigger') AS version
FROM pg_catalog.pg_trigger AS trigger_
INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
WHERE trigger_.tgrelid = %(oid)s::oid
    AND function.prosrc ~ 'rotation_revokes\('
    AND trigger_.tgargs = pg_catalog.convert_to(%(column)s, pg_catalog.getdatabaseencoding())
        || '\x00'::bytea
ORDER BY trigger_.tgname;
