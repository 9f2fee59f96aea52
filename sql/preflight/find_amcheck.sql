-- Purpose: the extension amcheck, which compares an index with its table, if it is installed here. Its
--          function is recognized by belonging to the extension, not by its name.
-- Columns: schema, function (to grant; both NULL if the extension is older than this function),
--          role (quoted), may_use (the schema), may_run (the function); no row without the extension.
SELECT
    function.schema,
    pg_catalog.quote_ident(function.schema) || '.bt_index_check(regclass, boolean)' AS function,
    pg_catalog.quote_ident(current_user) AS role,
    function.may_use,
    function.may_run
FROM pg_catalog.pg_extension AS extension
LEFT JOIN LATERAL (
    SELECT
        namespace.nspname AS schema,
        pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AS may_use,
        pg_catalog.has_function_privilege(member.oid, 'EXECUTE') AS may_run
    FROM pg_catalog.pg_depend AS belongs
    INNER JOIN pg_catalog.pg_proc AS member ON member.oid = belongs.objid
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = member.pronamespace
    WHERE belongs.classid = 'pg_catalog.pg_proc'::regclass
        AND belongs.refclassid = 'pg_catalog.pg_extension'::regclass
        AND belongs.refobjid = extension.oid
        AND belongs.deptype = 'e'
        AND member.proname = 'bt_index_check'
        AND member.pronargs = 2
        AND member.proargtypes[0] = 'pg_catalog.regclass'::regtype
        AND member.proargtypes[1] = 'pg_catalog.bool'::regtype
) AS function ON true
WHERE extension.extname = 'amcheck';
