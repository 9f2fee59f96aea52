-- Purpose: the guards of a table's column.
-- Parameters: oid (of the table), column.
-- Columns: name, function (its signature), enabled (pg_trigger.tgenabled: A is as it should be).
SELECT
    trigger_.tgname AS name,
    trigger_.tgfoid::regprocedure::text AS function,
    trigger_.tgenabled AS enabled
FROM pg_catalog.pg_trigger AS trigger_
INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
WHERE trigger_.tgrelid = %(oid)s::oid
    AND function.prosrc ~ 'rotation_revokes\('
    AND trigger_.tgargs = pg_catalog.convert_to(%(column)s, pg_catalog.getdatabaseencoding())
        || '\x00'::bytea
ORDER BY trigger_.tgname;
