-- Purpose: enable or disable the guard of a model's field, both of its triggers. An enabled one fires
--          whatever session_replication_role is, as it was installed.
-- Parameters: {table}, the model's table, quoted; {pgid}, the name by which django-pgtrigger knows it;
--             {how}, ENABLE ALWAYS or DISABLE.
DO $switch_guard$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT pg_catalog.concat(
            'ALTER TABLE ', half.tgrelid::regclass, ' {how} TRIGGER ',
            pg_catalog.quote_ident(half.tgname)
        )
        FROM pg_catalog.pg_trigger AS known
        INNER JOIN pg_catalog.pg_trigger AS half
            ON half.tgrelid = known.tgrelid AND half.tgfoid = known.tgfoid
        WHERE known.tgrelid = $table${table}$table$::regclass::oid
            AND known.tgname = '{pgid}'
    LOOP
        EXECUTE statement;
    END LOOP;
END;
$switch_guard$;
