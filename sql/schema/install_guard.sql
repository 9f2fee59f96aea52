-- Purpose: install the guard of a model's field, for its migrations, as prepared by the state of
--          rotations. If there is no such state yet, the guard is installed together with it.
-- Parameters: {table}, the model's table, quoted; {func}, the column's name as a string; {pgid} and
--             {hash}, the names by which django-pgtrigger knows the trigger and its version.
DO $install_guard$
DECLARE
    guarded regclass := $table${table}$table$;
    path text := pg_catalog.current_setting('search_path');
    schemas name[] := pg_catalog.current_schemas(false);
    prepare regproc;
    statement text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- Not what somebody put there who may only create objects in a schema of the path.
    SELECT function.oid INTO prepare
    FROM unnest(schemas) WITH ORDINALITY AS searched (name, place)
    INNER JOIN pg_namespace AS namespace ON namespace.nspname = searched.name
    INNER JOIN pg_proc AS function
        ON function.pronamespace = namespace.oid
        AND function.proname = 'rotation_prepare_guard'
    INNER JOIN pg_roles AS owner ON owner.oid = function.proowner
    INNER JOIN pg_roles AS this ON this.rolname = current_user
    -- A superuser is a member of every role.
    WHERE owner.rolsuper
        OR owner.oid = this.oid
        OR (pg_has_role(owner.oid, 'USAGE') AND NOT this.rolsuper)
    ORDER BY searched.place
    LIMIT 1;
    -- Where rotations have no state yet there is nothing to guard by: it follows with that.
    IF prepare IS NOT NULL THEN
        FOR statement IN EXECUTE concat(
            'SELECT ', prepare, '(attrelid, attnum, $2) FROM pg_attribute',
            ' WHERE attrelid = $1 AND attname = $3'
        ) USING guarded, '{pgid}', {func}
        LOOP
            EXECUTE statement;
        END LOOP;
        EXECUTE concat(
            'COMMENT ON TRIGGER {pgid} ON ', guarded, ' IS ', quote_literal('{hash}')
        );
    END IF;
    PERFORM set_config('search_path', path, true);
END;
$install_guard$;
