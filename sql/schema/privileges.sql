-- Purpose: check that every function of the state belongs to its owner; then revoke from PUBLIC, and from
--          all roles that have them by default privileges, those functions, the set of revoked tokens,
--          its sequences, and every right to write to the state: a role that runs rotations is granted
--          what it needs, and triggers need no grant.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.

-- Who could create objects in the schema before may have made some of these names in advance, and still
-- own them.
DO $$
DECLARE
    stranger record;
BEGIN
    SELECT function.oid::regprocedure AS name, pg_get_userbyid(function.proowner) AS owner INTO stranger
    FROM pg_proc AS function
    INNER JOIN pg_class AS state ON state.oid = '{state_text}.rotation'::regclass::oid
    WHERE function.proowner <> state.relowner
        AND (
            (function.pronamespace = state.relnamespace AND function.proname ~ '^rotation_')
            OR EXISTS (
                SELECT FROM pg_trigger AS trigger_
                INNER JOIN pg_class AS kept ON kept.oid = trigger_.tgrelid
                WHERE trigger_.tgfoid = function.oid
                    AND NOT trigger_.tgisinternal
                    AND kept.relnamespace = state.relnamespace
                    AND kept.relname IN (
                        'rotation', 'batchprogress', 'rotation_window', 'rotation_leftover',
                        'rotation_revoked'
                    )
            )
        )
    LIMIT 1;
    IF FOUND THEN
        -- The error's code is our own, so that the message, which quotes no data, may be shown.
        RAISE SQLSTATE 'RT001' USING MESSAGE = concat(
            'function ', stranger.name, ' belongs to ', stranger.owner,
            ': drop it, then migrate again'
        );
    END IF;
END;
$$;

SELECT {state}.rotation_keep_to_owner('pg_catalog.pg_proc'::regclass, function.oid, 'ALL'::text)
FROM pg_catalog.pg_proc AS function
INNER JOIN pg_catalog.pg_class AS state
    ON state.oid = '{state_text}.rotation'::regclass::oid
    AND state.relnamespace = function.pronamespace
    AND state.relowner = function.proowner
WHERE function.proname ~ '^rotation_'
    OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS trigger_
        INNER JOIN pg_catalog.pg_class AS kept ON kept.oid = trigger_.tgrelid
        WHERE trigger_.tgfoid = function.oid
            AND kept.relnamespace = state.relnamespace
            AND kept.relname IN ('rotation', 'batchprogress', 'rotation_window', 'rotation_leftover')
    );

SELECT {state}.rotation_keep_to_owner('pg_catalog.pg_class'::regclass, kept::oid, 'ALL'::text)
FROM (
    VALUES
        ('{state_text}.rotation_revoked'::regclass),
        ('{state_text}.rotation_revoked_system'),
        ('{state_text}.rotation_guard_number'),
        (pg_catalog.pg_get_serial_sequence('{state_text}.rotation', 'id')::regclass),
        (pg_catalog.pg_get_serial_sequence('{state_text}.batchprogress', 'id')::regclass),
        (pg_catalog.pg_get_serial_sequence('{state_text}.rotation_window', 'id')::regclass),
        (pg_catalog.pg_get_serial_sequence('{state_text}.rotation_leftover', 'id')::regclass)
) AS relations (kept);

SELECT {state}.rotation_keep_to_owner(
    'pg_catalog.pg_class'::regclass,
    kept::oid,
    pg_catalog.concat(
        'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER',
        CASE
            WHEN pg_catalog.current_setting('server_version_num')::int >= 170000 THEN ', MAINTAIN'
        END
    )
)
FROM (
    VALUES
        ('{state_text}.rotation'::regclass),
        ('{state_text}.batchprogress'),
        ('{state_text}.rotation_window'),
        ('{state_text}.rotation_leftover')
) AS tables (kept);
