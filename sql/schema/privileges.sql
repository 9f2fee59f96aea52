-- Purpose: take from PUBLIC, and from whomever default privileges gave them to, the functions of the
--          rotation's state, the set of revoked tokens, and every right to write to the state: whoever
--          runs rotations is granted what that needs, and a trigger fires without.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.
DO $$
DECLARE
    closed regprocedure;
    other record;
BEGIN
    FOR closed IN
        SELECT function.oid
        FROM pg_catalog.pg_proc AS function
        INNER JOIN pg_catalog.pg_class AS state
            ON state.oid = '{state_text}.rotation'::regclass
            AND state.relnamespace = function.pronamespace
            AND state.relowner = function.proowner
        WHERE function.proname ~ '^rotation_'
            OR EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS trigger_
                INNER JOIN pg_catalog.pg_class AS kept ON kept.oid = trigger_.tgrelid
                WHERE trigger_.tgfoid = function.oid
                    AND kept.relnamespace = state.relnamespace
                    AND kept.relname IN (
                        'rotation', 'batchprogress', 'rotation_window', 'rotation_leftover'
                    )
            )
    LOOP
        PERFORM {state}.rotation_close_to_others(closed);
    END LOOP;
    PERFORM {state}.rotation_keep_to_owner('{state_text}.rotation_revoked'::regclass);
    FOR other IN
        SELECT DISTINCT kept.oid::regclass AS kept, privilege.grantee
        FROM pg_catalog.pg_class AS kept
        CROSS JOIN LATERAL pg_catalog.aclexplode(kept.relacl) AS privilege
        WHERE privilege.grantee <> kept.relowner
            AND kept.oid IN (
                '{state_text}.rotation'::regclass,
                '{state_text}.batchprogress'::regclass,
                '{state_text}.rotation_window'::regclass,
                '{state_text}.rotation_leftover'::regclass
            )
    LOOP
        EXECUTE pg_catalog.concat(
            'REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ', other.kept, ' FROM ',
            CASE other.grantee WHEN 0 THEN 'PUBLIC' ELSE other.grantee::regrole::text END
        );
    END LOOP;
END;
$$;
