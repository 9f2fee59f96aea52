-- Purpose: the set of revoked tokens: a salted 64-bit hash of each, never the token. Every guarded
--          column has one set, a partition, to which each of its rotations adds; so a guard looks in
--          one index, however many rotations there were. Roles that run rotations reach it through
--          rotation_revoked; only the owner has access to the partitions.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.

CREATE TABLE {state}.rotation_revoked (
    set_id int NOT NULL,  -- of the column: the id of its first rotation
    rotation_id int NOT NULL,  -- which rotation revoked it
    hash bigint NOT NULL
) PARTITION BY LIST (set_id);

CREATE FUNCTION {state}.rotation_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% not allowed on %: the set of revoked tokens is append-only',
        TG_OP, TG_TABLE_NAME;
END;
$$;

CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON {state}.rotation_revoked
FOR EACH ROW EXECUTE FUNCTION {state}.rotation_kept();

CREATE TRIGGER kept_from_truncate BEFORE TRUNCATE ON {state}.rotation_revoked
FOR EACH STATEMENT EXECUTE FUNCTION {state}.rotation_kept();

-- Salt, set and its completion come only from the owner's functions, whoever may write to a rotation.
CREATE FUNCTION {state}.rotation_from_owner() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'only the owner of the rotation tables may set salt, set_id and revoked';
END;
$$;

CREATE TRIGGER from_owner_first BEFORE INSERT ON {state}.rotation
FOR EACH ROW WHEN (num_nonnulls(NEW.salt, NEW.set_id, NEW.revoked) > 0 OR NEW.partitions <> '{}')
EXECUTE FUNCTION {state}.rotation_from_owner();

CREATE TRIGGER from_owner BEFORE UPDATE ON {state}.rotation
FOR EACH ROW WHEN (
    num_nulls(NEW.salt, NEW.set_id, NEW.revoked) <> num_nulls(OLD.salt, OLD.set_id, OLD.revoked)
)
EXECUTE FUNCTION {state}.rotation_from_owner();

-- With another salt, set or list of partitions, a rotation would answer for other tokens.
CREATE TRIGGER kept BEFORE UPDATE ON {state}.rotation
FOR EACH ROW WHEN (
    OLD.salt IS DISTINCT FROM NEW.salt AND OLD.salt IS NOT NULL
    OR OLD.set_id IS DISTINCT FROM NEW.set_id AND OLD.set_id IS NOT NULL
    OR OLD.partitions IS DISTINCT FROM NEW.partitions AND OLD.revoked IS NOT NULL
    OR NEW.revoked IS NULL AND OLD.revoked IS NOT NULL
) EXECUTE FUNCTION {state}.rotation_kept();

-- The hash of a token that is a uuid: of its value.
CREATE FUNCTION {state}.rotation_hash(token uuid, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.uuid_hash_extended(token, salt)
$$;

-- The hash of a token that is text. One that spells a uuid in a way that some library accepts is that
-- uuid; any other text is hashed exactly as it is. Everything here is immutable, so that PostgreSQL
-- inlines it: called as a function it would be slow, and its parameter might end up in the server's
-- log.
CREATE FUNCTION {state}.rotation_hash(token text, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        -- The spelling of nearly every token; the general case takes ten times as long.
        WHEN token COLLATE "C" OPERATOR(pg_catalog.~*)
            '^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$'
            THEN pg_catalog.uuid_hash_extended(token::pg_catalog.uuid, salt)
        -- Go ignores any one character before and after it.
        WHEN token COLLATE "C" OPERATOR(pg_catalog.~*) '^.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.$'
            THEN pg_catalog.uuid_hash_extended(
                pg_catalog.substr(token, 2, 36)::pg_catalog.uuid, salt
            )
        -- Java and .NET read each group as a number, with a sign or 0x before it, and take its last
        -- digits; .NET within brackets and blanks, too. Of 32 digits PostgreSQL and Python make a uuid
        -- wherever the hyphens are: these come first.
        WHEN pg_catalog.length(token) OPERATOR(pg_catalog.<=) 200
            AND token COLLATE "C" OPERATOR(pg_catalog.~*)
                '^[^0-9a-z]*(0x)?[0-9a-f]+(-[+]?(0x)?[0-9a-f]+){4}[^0-9a-z]*$'
            AND (
                pg_catalog.length(
                    pg_catalog.regexp_replace(token COLLATE "C", '[^0-9a-zA-Z]', '', 'g')
                ) OPERATOR(pg_catalog.<>) 32
                OR token COLLATE "C" OPERATOR(pg_catalog.~*) '-([+]|0x)'
            )
            THEN pg_catalog.uuid_hash_extended(
                -- E'': in a plain string a backslash depends on the session's settings.
                pg_catalog.regexp_replace(
                    pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            token COLLATE "C", '^[^0-9a-z]+|[^0-9a-z]+$', '', 'gi'
                        ),
                        '(^|-)[+]?(0x)?',
                        E'\\1000000000000',
                        'gi'
                    ),
                    '^.*(.{8})-.*(.{4})-.*(.{4})-.*(.{4})-.*(.{12})$',
                    E'\\1\\2\\3\\4\\5'
                )::pg_catalog.uuid,
                salt
            )
        -- Python reads a number of 32 characters, which may include a sign, blanks or 0x; and there may
        -- be brackets or quotes around it.
        WHEN pg_catalog.length(token) OPERATOR(pg_catalog.>=) 32
            AND pg_catalog.regexp_replace(
                pg_catalog.replace(
                    pg_catalog.replace(pg_catalog.lower(token COLLATE "C"), 'urn:', ''), 'uuid:', ''
                ),
                '[^0-9a-z]|0[^0-9a-z]*x',
                '',
                'g'
            ) OPERATOR(pg_catalog.~) '^[0-9a-f]{1,32}$'
            THEN pg_catalog.uuid_hash_extended(
                pg_catalog.lpad(
                    pg_catalog.regexp_replace(
                        pg_catalog.replace(
                            pg_catalog.replace(pg_catalog.lower(token COLLATE "C"), 'urn:', ''), 'uuid:', ''
                        ),
                        '[^0-9a-z]|0[^0-9a-z]*x',
                        '',
                        'g'
                    ),
                    32,
                    '0'
                )::pg_catalog.uuid,
                salt
            )
        ELSE pg_catalog.hashtextextended(token COLLATE "C", salt)
    END
$$;

-- The rotations of a table's column: by its oid and number, which survive renaming, with all that share
-- a set with these; if there are none, by its names, because the database was restored from a dump, or
-- the column took another one's place.
CREATE FUNCTION {state}.rotation_of_column(of_table oid, of_attnum smallint)
RETURNS SETOF {state}.rotation
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH own AS (
        SELECT known.*
        FROM {state}.rotation AS known
        WHERE known.table_oid = of_table::bigint AND known.token_attnum = of_attnum
    )

    SELECT known.*
    FROM {state}.rotation AS known
    WHERE known.id IN (SELECT own.id FROM own) OR known.set_id IN (SELECT own.set_id FROM own)

    UNION ALL

    SELECT known.*
    FROM {state}.rotation AS known
    INNER JOIN pg_class AS relation ON relation.oid = of_table AND relation.relname = known.table_name
    INNER JOIN pg_namespace AS namespace
        ON namespace.oid = relation.relnamespace AND namespace.nspname = known.table_schema
    INNER JOIN pg_attribute AS column_
        ON column_.attrelid = of_table
        AND column_.attnum = of_attnum
        AND column_.attname = known.token_column
    WHERE known.id NOT IN (SELECT own.id FROM own)
        AND NOT EXISTS (SELECT FROM own WHERE own.set_id IS NOT NULL)
$$;

-- Those of them whose set is attached.
CREATE FUNCTION {state}.rotation_with_set(of_table oid, of_attnum smallint) RETURNS SETOF {state}.rotation
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT known.*
    FROM {state}.rotation_of_column(of_table, of_attnum) AS known
    INNER JOIN pg_inherits AS attached
        ON attached.inhparent = '{state_text}.rotation_revoked'::regclass
        AND attached.inhrelid = to_regclass('{state_text}.rotation_revoked_' || known.set_id)
$$;

-- Revoke a table, a sequence (of pg_class) or a function (of pg_proc) from all but its owner: PUBLIC,
-- and all roles that have it by default privileges.
CREATE FUNCTION {state}.rotation_keep_to_owner(catalog regclass, kept oid, taken text DEFAULT 'ALL')
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other oid;
BEGIN
    FOR other IN
        SELECT DISTINCT privilege.grantee
        FROM (
            SELECT 'pg_class'::regclass, oid, relowner, relacl FROM pg_class

            UNION ALL

            SELECT 'pg_proc'::regclass, oid, proowner, coalesce(proacl, acldefault('f', proowner))
            FROM pg_proc
        ) AS owned (catalog, oid, owner, privileges)
        CROSS JOIN LATERAL aclexplode(owned.privileges) AS privilege
        WHERE owned.catalog = $1 AND owned.oid = $2 AND privilege.grantee <> owned.owner
    LOOP
        EXECUTE (
            SELECT concat(
                'REVOKE ', taken, ' ON ', object.type, ' ', object.identity, ' FROM ',
                CASE other WHEN 0 THEN 'PUBLIC' ELSE other::regrole::text END
            )
            FROM pg_identify_object(catalog, kept, 0) AS object
        );
    END LOOP;
END;
$$;

-- A transaction whose snapshot is older than the latest change of a set would look in vain. The id of
-- the transaction that made the change is stored in a sequence of the set, which is read regardless
-- of snapshots; the system that it ran on, in another, because a copy of the database elsewhere has
-- its own transaction ids.
CREATE SEQUENCE {state}.rotation_revoked_system MINVALUE -9223372036854775808;

-- Managed servers may keep it to themselves: 0 then.
CREATE FUNCTION {state}.rotation_this_system() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT system_identifier FROM pg_control_system());
EXCEPTION
    WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN
        RETURN 0;
END;
$$;

CREATE FUNCTION {state}.rotation_note_change(of_set int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM setval(
            ('{state_text}.rotation_revoked_' || of_set || '_since')::regclass,
            pg_current_xact_id()::text::bigint
        ),
        setval('{state_text}.rotation_revoked_system', {state}.rotation_this_system());
END;
$$;

-- With names that resolve in the schema `own`, where the state is now.
CREATE FUNCTION {state}.rotation_require_recent_snapshot(own text, of_set int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    since bigint;
    elsewhere boolean;
BEGIN
    -- With the schema: what is not in it would be looked for among the caller's temporary tables.
    EXECUTE concat('SELECT last_value FROM ', own, '.rotation_revoked_', of_set, '_since') INTO since;
    IF pg_visible_in_snapshot(since::text::xid8, pg_current_snapshot()) THEN
        RETURN;
    END IF;
    -- Elsewhere, e.g. in a restored dump, the number is of other transactions.
    EXECUTE concat(
        'SELECT last_value <> ', own, '.rotation_this_system() FROM ', own, '.rotation_revoked_system'
    ) INTO elsewhere;
    IF elsewhere THEN
        RETURN;
    END IF;
    BEGIN
        PERFORM pg_xact_status(since::text::xid8);
    EXCEPTION
        -- It is in the future: a copy of this system, as a clone or a standby is, was dumped to here.
        WHEN invalid_parameter_value THEN
            RETURN;
    END;
    RAISE serialization_failure USING
        MESSAGE = 'tokens were revoked since this transaction began',
        HINT = 'Begin the transaction again.';
END;
$$;

-- Create the set for what a rotation revokes, unless an earlier rotation of its column did. It is
-- attached later, because that waits for no reader. A set that somebody has detached stays where it
-- is, as evidence, and another one is created.
CREATE FUNCTION {state}.rotation_create_set(rotation bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    this record;
    before record;
    part text;
BEGIN
    SELECT * INTO this FROM {state}.rotation AS known WHERE known.id = rotation;
    IF this.id IS NULL OR this.set_id IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT known.set_id, known.salt INTO before
    FROM {state}.rotation_with_set(this.table_oid::oid, this.token_attnum) AS known
    WHERE known.id < rotation
    ORDER BY known.id DESC
    LIMIT 1;
    UPDATE {state}.rotation AS known
    SET set_id = coalesce(before.set_id, this.id::int),
        salt = coalesce(before.salt, uuid_hash_extended(gen_random_uuid(), 0))
    WHERE known.id = rotation;
    IF before.set_id IS NULL THEN
        part := '{state_text}.rotation_revoked_' || rotation;
        EXECUTE 'CREATE SEQUENCE ' || part || '_since';
        PERFORM {state}.rotation_keep_to_owner('pg_class', (part || '_since')::regclass);
        EXECUTE 'CREATE TABLE ' || part || ' (LIKE {state_text}.rotation_revoked)';
        PERFORM {state}.rotation_keep_to_owner('pg_class', part::regclass);
        EXECUTE 'CREATE TRIGGER kept_from_truncate BEFORE TRUNCATE ON ' || part
            || ' FOR EACH STATEMENT EXECUTE FUNCTION {state_text}.rotation_kept()';
        EXECUTE 'ALTER TABLE {state_text}.rotation_revoked ATTACH PARTITION ' || part
            || ' FOR VALUES IN (' || rotation || ')';
    END IF;
END;
$$;

-- Whether this process, until its transaction ends, is the only one that takes a rotation's snapshot, or
-- rebuilds indexes: it holds a lock on the set that no other role can take. A vacuum of the set gives way.
CREATE FUNCTION {state}.rotation_claim_snapshot(rotation bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    EXECUTE (
        SELECT 'LOCK TABLE {state_text}.rotation_revoked_' || known.set_id
            || ' IN SHARE UPDATE EXCLUSIVE MODE'
        FROM {state}.rotation AS known
        WHERE known.id = rotation
    );
    RETURN true;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN false;
END;
$$;

-- Complete what a rotation revokes: `taken` tokens of its snapshot are in the set, besides those of
-- lists. The set is indexed, and from the COMMIT on the guard refuses what is in it. Returns how many
-- hashes the set must hold from now on.
CREATE FUNCTION {state}.rotation_complete_set(rotation bigint, taken bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    this record;
    part text;
    others bigint;
    guard regprocedure;
BEGIN
    SELECT * INTO this FROM {state}.rotation AS known WHERE known.id = rotation;
    part := '{state_text}.rotation_revoked_' || this.set_id;
    EXECUTE 'SELECT count(*) FROM ' || part || ' WHERE rotation_id <> $1' INTO others USING rotation;
    EXECUTE 'CREATE INDEX IF NOT EXISTS rotation_revoked_' || this.set_id || '_hash'
        || ' ON ' || part || ' (hash)';
    -- Without statistics the planner assumes that the set has a few rows, and compares all pairs.
    EXECUTE 'ANALYZE ' || part;
    UPDATE {state}.rotation AS known
    SET revoked = others + known.leaked + taken,
        rows_total = taken,
        rows_total_exact = true
    WHERE known.id = rotation;
    FOR guard IN
        SELECT installed.function
        FROM {state}.rotation_guards(this.table_oid::oid, this.token_attnum) AS installed
        WHERE NOT installed.shared
    LOOP
        PERFORM {state}.rotation_write_guard(guard, this.table_oid::oid, this.token_attnum);
    END LOOP;
    PERFORM {state}.rotation_note_change(this.set_id);
    RETURN others + this.leaked + taken;
END;
$$;
