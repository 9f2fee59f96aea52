-- Purpose: what a flush of a test's database needs: when the rotations are gone, so are their sets of
--          revoked tokens, and guards let every token pass again. Elsewhere TRUNCATE is refused while
--          there are rotations, see refuse_truncate.sql, and without any there are no sets.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.
CREATE FUNCTION {state}.rotation_forget_sets() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
    guard record;
BEGIN
    IF TG_RELID <> '{state_text}.rotation'::regclass OR EXISTS (SELECT FROM {state}.rotation) THEN
        RAISE EXCEPTION 'this is no table of rotations that was truncated';
    END IF;
    FOR part IN
        SELECT inhrelid::regclass AS revoked, '{state_text}.' || relname || '_since' AS since
        FROM pg_inherits
        INNER JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = '{state_text}.rotation_revoked'::regclass
    LOOP
        EXECUTE concat('DROP TABLE ', part.revoked);
        EXECUTE concat('DROP SEQUENCE ', part.since);
    END LOOP;
    FOR guard IN
        SELECT DISTINCT function.oid::regprocedure AS function, trigger_.tgrelid, column_.refobjsubid
        FROM pg_trigger AS trigger_
        INNER JOIN pg_proc AS function ON function.oid = trigger_.tgfoid
        INNER JOIN pg_class AS state
            ON state.oid = '{state_text}.rotation'::regclass
            AND state.relnamespace = function.pronamespace
        INNER JOIN pg_depend AS column_
            ON column_.classid = 'pg_trigger'::regclass
            AND column_.objid = trigger_.oid
            AND column_.refclassid = 'pg_class'::regclass
            AND column_.refobjid = trigger_.tgrelid
            AND column_.refobjsubid > 0
        WHERE trigger_.tgparentid = 0 AND function.proname ~ '^rotation_guard_[0-9]+$'
    LOOP
        PERFORM {state}.rotation_write_guard(
            guard.function, guard.tgrelid, guard.refobjsubid::smallint
        );
    END LOOP;
    RETURN NULL;
END;
$$;

CREATE TRIGGER forget_sets AFTER TRUNCATE ON {state}.rotation
FOR EACH STATEMENT EXECUTE FUNCTION {state}.rotation_forget_sets();
