-- Purpose: what kind of server this is, and where the tables of our own state are.
-- Columns: version (server_version_num), standby, read_only (by default), unsafe (settings with which
--          rows would be skipped, or foreign keys and triggers; empty for none), role, role_quoted,
--          superuser (this role is one), database, address (host and port, or NULL for a socket),
--          version_text, citus (the extension is installed), aurora (Amazon's), states (the schemas
--          that hold a state outside this role's search path; quoted, NULL for none). Of the state that
--          the path finds, NULL if `migrate` has not been run here: state_schema, state_schema_quoted,
--          state_tables (their oids), state_owner (quoted), owned_by_superuser, owner_may_create
--          (tables there), may_write_state, for_everybody (PUBLIC may execute functions of it),
--          intruders (other roles that may create objects in its schema; NULL for none), strangers
--          (functions and operators there that could be used in place of the state's, and belong
--          neither to its owner nor to a superuser; NULL for none), rivals (if its owner is neither
--          this role, one who may become it, a superuser nor the database's owner: the schemas that
--          hold a state of another owner; quoted, NULL for none).
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version,
    pg_catalog.pg_is_in_recovery() AS standby,
    pg_catalog.current_setting('default_transaction_read_only')::boolean AS read_only,
    pg_catalog.concat_ws(
        ', ',
        CASE
            WHEN pg_catalog.current_setting('zero_damaged_pages')::boolean THEN 'zero_damaged_pages'
        END,
        CASE
            WHEN pg_catalog.current_setting('ignore_checksum_failure')::boolean
                THEN 'ignore_checksum_failure'
        END,
        CASE
            WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
                AND NOT this.rolsuper
                THEN 'session_replication_role'
        END
    ) AS unsafe,
    current_user::text AS role,
    pg_catalog.quote_ident(current_user) AS role_quoted,
    state.schema AS state_schema,
    pg_catalog.quote_ident(state.schema) AS state_schema_quoted,
    pg_catalog.current_database() AS database,
    pg_catalog.host(pg_catalog.inet_server_addr()) || ':' || pg_catalog.inet_server_port()::text
        AS address,
    pg_catalog.current_setting('server_version') AS version_text,
    EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus') AS citus,
    pg_catalog.to_regprocedure('pg_catalog.aurora_replica_status()') IS NOT NULL AS aurora,
    state.may_write AS may_write_state,
    state.intruders,
    state.strangers,
    state.tables AS state_tables,
    this.rolsuper AS superuser,
    state.owned_by_superuser,
    state.for_everybody,
    state.owner AS state_owner,
    state.rivals,
    state.owner_may_create,
    (
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(namespace.nspname), ', ')
        FROM pg_catalog.pg_class AS revoked
        INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = revoked.relnamespace
        WHERE revoked.relname = 'rotation_revoked'
            AND revoked.relkind = 'p'
            AND NOT pg_catalog.pg_table_is_visible(revoked.oid)
    ) AS states
FROM pg_catalog.pg_roles AS this
LEFT JOIN (
    SELECT
        namespace.nspname::text AS schema,
        ARRAY[rotation.oid, lane.oid, journal.oid, leftover.oid, revoked.oid]::bigint[] AS tables,
        owner.rolsuper AS owned_by_superuser,
        (
            SELECT pg_catalog.string_agg(
                strange.what || ' of ' || pg_catalog.quote_ident(strange_owner.rolname), ', '
                ORDER BY strange.what
            )
            FROM (
                SELECT
                    'function ' || function.oid::regprocedure::text AS what,
                    function.proowner AS owner
                FROM pg_catalog.pg_proc AS function
                WHERE function.pronamespace = namespace.oid
                    AND (
                        pg_catalog.starts_with(function.proname::text, 'rotation_'::text)
                        -- A better match than PostgreSQL's own of that name would be preferred.
                        OR EXISTS (
                            SELECT FROM pg_catalog.pg_proc AS own
                            WHERE own.pronamespace = 'pg_catalog'::regnamespace::oid
                                AND own.proname = function.proname
                        )
                    )
                    -- Guards are looked at by themselves, and never called by us.
                    AND function.proname::text OPERATOR(pg_catalog.!~) '^rotation_guard_[0-9]+$'::text

                UNION ALL

                SELECT 'operator ' || operator.oid::regoperator::text, operator.oprowner
                FROM pg_catalog.pg_operator AS operator
                WHERE operator.oprnamespace = namespace.oid
            ) AS strange
            INNER JOIN pg_catalog.pg_roles AS strange_owner ON strange_owner.oid = strange.owner
            WHERE strange.owner <> rotation.relowner AND NOT strange_owner.rolsuper
        ) AS strangers,
        pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(rotation.relowner)) AS owner,
        CASE
            WHEN NOT owner.rolsuper
                AND NOT pg_catalog.pg_has_role(
                    owner.oid,
                    current_user,
                    -- From PostgreSQL 16 on, not every member may become the role.
                    CASE
                        WHEN pg_catalog.current_setting('server_version_num')::int >= 160000
                            THEN 'SET, MEMBER WITH ADMIN OPTION'
                        ELSE 'MEMBER'
                    END
                )
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_database AS database
                    WHERE database.datname = pg_catalog.current_database()
                        AND database.datdba = owner.oid
                )
                THEN (
                    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(its_schema.nspname), ', ')
                    FROM pg_catalog.pg_class AS rival
                    INNER JOIN pg_catalog.pg_namespace AS its_schema
                        ON its_schema.oid = rival.relnamespace
                    WHERE rival.relname = 'rotation_revoked'
                        AND rival.relkind = 'p'
                        AND rival.relowner <> owner.oid
                )
        END AS rivals,
        pg_catalog.has_schema_privilege(rotation.relowner, namespace.oid, 'CREATE') AS owner_may_create,
        (
            SELECT pg_catalog.string_agg(
                DISTINCT CASE privilege.grantee
                    WHEN 0::oid THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(privilege.grantee))
                END,
                ', '
            )
            FROM (
                SELECT granted.grantee
                FROM pg_catalog.aclexplode(namespace.nspacl) AS granted
                WHERE granted.privilege_type = 'CREATE' AND granted.grantee <> namespace.nspowner

                UNION ALL

                -- Its owner may; public belongs to the database's owner, through a role of that name.
                SELECT CASE
                    WHEN pg_catalog.pg_get_userbyid(namespace.nspowner) = 'pg_database_owner'
                        THEN (
                            SELECT database.datdba
                            FROM pg_catalog.pg_database AS database
                            WHERE database.datname = pg_catalog.current_database()
                        )
                    ELSE namespace.nspowner
                END
            ) AS privilege
            LEFT JOIN pg_catalog.pg_roles AS other ON other.oid = privilege.grantee
            WHERE privilege.grantee <> rotation.relowner
                AND other.rolsuper IS NOT TRUE
        ) AS intruders,
        EXISTS (
            SELECT FROM pg_catalog.pg_proc AS open_one
            CROSS JOIN LATERAL pg_catalog.aclexplode(
                coalesce(open_one.proacl, pg_catalog.acldefault('f', open_one.proowner))
            ) AS privilege
            WHERE open_one.pronamespace = namespace.oid
                AND open_one.proowner = rotation.relowner
                AND pg_catalog.starts_with(open_one.proname::text, 'rotation_')
                AND privilege.grantee = 0::oid
        ) AS for_everybody,
        (
            SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(needed.oid, needed.privilege))
            FROM (
                VALUES
                (rotation.oid, 'SELECT'), (rotation.oid, 'INSERT'), (rotation.oid, 'UPDATE'),
                (lane.oid, 'SELECT'), (lane.oid, 'INSERT'), (lane.oid, 'UPDATE'),
                (journal.oid, 'SELECT'), (journal.oid, 'INSERT'),
                (leftover.oid, 'SELECT'), (leftover.oid, 'INSERT'), (leftover.oid, 'UPDATE'),
                (revoked.oid, 'SELECT'), (revoked.oid, 'INSERT')
            ) AS needed (oid, privilege)
        )
        AND (
            SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(needed.oid, 'EXECUTE'))
            FROM pg_catalog.pg_proc AS needed
            WHERE needed.pronamespace = namespace.oid
                AND needed.proname IN (
                    'rotation_hash', 'rotation_create_set', 'rotation_claim_snapshot',
                    'rotation_complete_set', 'rotation_note_change', 'rotation_prepare_guard',
                    'rotation_inspect_guard', 'rotation_target_shape', 'rotation_advance'
                )
        ) AS may_write
    FROM pg_catalog.pg_class AS rotation
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = rotation.relnamespace
    INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = rotation.relowner
    INNER JOIN pg_catalog.pg_class AS lane
        ON lane.relnamespace = namespace.oid AND lane.relname = 'batchprogress'
    INNER JOIN pg_catalog.pg_class AS journal
        ON journal.relnamespace = namespace.oid AND journal.relname = 'rotation_window'
    INNER JOIN pg_catalog.pg_class AS leftover
        ON leftover.relnamespace = namespace.oid AND leftover.relname = 'rotation_leftover'
    INNER JOIN pg_catalog.pg_class AS revoked
        ON revoked.relnamespace = namespace.oid AND revoked.relname = 'rotation_revoked'
    WHERE rotation.relname = 'rotation'
        AND rotation.relkind = 'r'
        AND pg_catalog.pg_table_is_visible(rotation.oid)
) AS state ON true
WHERE this.rolname = current_user;
