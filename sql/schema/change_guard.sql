-- Purpose: drop, enable or disable the guard of a model's field, both of its triggers. An enabled one
--          fires whatever session_replication_role is, as it was installed.
-- Parameters: {table}, the model's table, quoted; {pgid}, the name by which django-pgtrigger knows it;
--             {change}, the parts of the statement, with half.guarded and half.name for the names of table
--             and trigger.
DO $change_guard$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT pg_catalog.concat({change})
        FROM (
            SELECT second.tgrelid::regclass AS guarded, pg_catalog.quote_ident(second.tgname) AS name
            FROM pg_catalog.pg_trigger AS known
            INNER JOIN pg_catalog.pg_trigger AS second
                ON second.tgrelid = known.tgrelid AND second.tgfoid = known.tgfoid
            WHERE known.tgrelid = $table${table}$table$::regclass::oid
                AND known.tgname = '{pgid}'
        ) AS half
    LOOP
        EXECUTE statement;
    END LOOP;
END;
$change_guard$;
