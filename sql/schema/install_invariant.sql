-- Purpose: install a trigger of the state, for its migrations, as django-pgtrigger would, but nothing
--          that a session sets makes it pass: `pgtrigger.ignore` is for the triggers of applications. It
--          calls no function in another schema either.
-- Parameters: {pgid} and {hash}, the names by which django-pgtrigger knows the trigger and its version;
--             {table}, quoted; {when}, {operation}, {level}, {condition}, of CREATE TRIGGER; {declare} and
--             {func}, the body of its function. The others of django-pgtrigger are empty.
CREATE OR REPLACE FUNCTION {pgid}() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $invariant$
{declare}
BEGIN
    {func}
END;
$invariant$;

DROP TRIGGER IF EXISTS {pgid} ON {table};

CREATE TRIGGER {pgid}
    {when} {operation} ON {table}
    FOR EACH {level} {condition}
    EXECUTE FUNCTION {pgid}();

COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
