-- Purpose: the guard. While it stands, no write puts a revoked token back: an UPDATE keeps the row's
--          token, the INSERT of a row is refused; every other write passes. It is one function for
--          each guarded column, called by two triggers, only for a token that is new: BEFORE UPDATE,
--          if it differs from the row's, and AFTER INSERT, if a row was really inserted, so that an
--          upsert that ends as an UPDATE is one. It belongs to the owner of the rotation's state, so
--          that writers of the table need no rights there; nobody else may call it.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.

-- What a token is read as: uuid or text, possibly under domains. NULL for any other type: other types
-- may bring their own code, and the guard runs with its owner's rights.
CREATE FUNCTION {state}.rotation_reads_as(of_type oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE under AS (
        SELECT of_type AS oid

        UNION ALL

        SELECT domain.typbasetype
        FROM under
        INNER JOIN pg_type AS domain ON domain.oid = under.oid AND domain.typtype = 'd'
    )

    SELECT max(
        CASE
            WHEN under.oid = 'uuid'::regtype THEN 'pg_catalog.uuid'
            WHEN under.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
                THEN 'pg_catalog.text'
        END
    )
    FROM under
$$;

-- The triggers of a table's guards, by the column that each condition mentions: a trigger follows its
-- column through renaming. A partition's trigger is a copy, so the original is used. `shared` marks a
-- function that is on another table too: it is not rewritten for this one, because it may be the other's
-- guard.
CREATE FUNCTION {state}.rotation_guards(of_table oid, of_attnum smallint)
RETURNS TABLE (trigger oid, name name, function regprocedure, inserting boolean, shared boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT
        trigger_.oid,
        trigger_.tgname,
        function.oid::regprocedure,
        trigger_.tgtype::int & 4 <> 0,
        EXISTS (
            SELECT FROM pg_trigger AS other
            WHERE other.tgfoid = function.oid
                AND other.tgparentid = 0
                AND other.tgrelid <> of_table
        )
    FROM pg_trigger AS trigger_
    INNER JOIN pg_proc AS function ON function.oid = trigger_.tgfoid
    INNER JOIN pg_class AS state
        ON state.oid = '{state_text}.rotation'::regclass AND state.relnamespace = function.pronamespace
    WHERE trigger_.tgrelid = of_table
        AND trigger_.tgparentid = 0
        AND function.proname ~ '^rotation_guard_[0-9]+$'
        AND EXISTS (
            SELECT FROM pg_depend AS spoken_of
            WHERE spoken_of.classid = 'pg_trigger'::regclass
                AND spoken_of.objid = trigger_.oid
                AND spoken_of.refclassid = 'pg_class'::regclass
                AND spoken_of.refobjid = of_table
                AND spoken_of.refobjsubid = of_attnum
        )
$$;

-- The current name of a table's column, however old the transaction's snapshot is. Not really immutable,
-- but a plan with a constant table in it is rebuilt after each change of that table, so that a guard can
-- ask for every row at no cost.
CREATE FUNCTION {state}.rotation_called(of_table regclass, of_attnum int) RETURNS name
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT known.object_names[3]::name
    FROM pg_attribute AS column_
    CROSS JOIN LATERAL pg_identify_object_as_address('pg_class'::regclass, attrelid, attnum) AS known
    WHERE column_.attrelid = of_table AND column_.attnum = of_attnum
$$;

-- The current body of a column's guard function, in PL/pgSQL. It sleeps until a token of the column is
-- revoked, and then costs a write almost nothing. Awake, it looks in the set. What it names may move: a
-- renamed schema or column, a restored dump, another state of that name. It then looks for the state in
-- its own schema, and takes a slower path (rotation_refuses). If that can't be read either, the write
-- passes with a warning: the site's writes don't fail because of our state.
CREATE FUNCTION {state}.rotation_guard_body(of_table oid, of_attnum smallint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $outer$
DECLARE
    revoked record;
    column_ record;
    part text;
BEGIN
    SELECT known.set_id, known.salt INTO revoked
    FROM {state}.rotation_with_set(of_table, of_attnum) AS known
    WHERE known.revoked IS NOT NULL
    ORDER BY known.id DESC
    LIMIT 1;
    IF revoked.set_id IS NULL THEN
        RETURN 'BEGIN RETURN NEW; END';
    END IF;
    part := '{state_text}.rotation_revoked_' || revoked.set_id;
    SELECT attname, atttypid, {state}.rotation_reads_as(atttypid) AS kind INTO column_
    FROM pg_attribute
    WHERE attrelid = of_table AND attnum = of_attnum;
    IF column_.kind IS NULL THEN
        RAISE feature_not_supported USING MESSAGE = 'tokens of this type cannot be guarded';
    END IF;
    -- Names are arguments of format(), whose own text is ours.
    RETURN format(
        $body$
#variable_conflict use_variable
DECLARE
    unknown boolean;
    refused boolean := false;
    hash bigint;
    own text;
    reading name;
    kind oid;
    token text;
BEGIN
    BEGIN
        -- Nothing is evaluated here of a type that is not PostgreSQL's own, nor called in a schema
        -- that is not the state's. Arguments have exactly a function's types: no other is preferred.
        IF pg_typeof(NEW.%1$I)::oid <> %2$s::oid
            OR %3$L::regclass <> %4$s::oid
            OR %9$s.rotation_called('%10$s'::regclass, %11$s::int) IS DISTINCT FROM %8$L::name
        THEN
            RAISE undefined_table;
        END IF;
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
            -- By a function: a plan with a scan of the sequence, which is disabled, would be compiled (jit)
            -- for each row.
            AND NOT pg_visible_in_snapshot(
                pg_sequence_last_value(%12$L::regclass)::text::xid8, pg_current_snapshot()
            )
        THEN
            PERFORM %9$s.rotation_require_recent_snapshot(%9$L::text, %7$s::int);
        END IF;
        -- By itself: what is a parameter of a statement may come into the server's log.
        hash := %9$s.rotation_hash(NEW.%1$I::%5$s, '%6$s'::bigint);
        unknown := NOT EXISTS (SELECT FROM %3$s AS revoked WHERE revoked.hash = hash);
    EXCEPTION
        WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN
            NULL;
    END;
    IF unknown THEN
        RETURN NEW;
    END IF;

    BEGIN
        -- Not what the transaction sees of the catalog, which may be as old as itself.
        SELECT function.schema INTO own
        FROM pg_trigger AS this
        CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, this.tgfoid, 0) AS function
        WHERE this.tgrelid = TG_RELID AND this.tgname = TG_NAME;
        IF own IS NULL THEN
            RAISE serialization_failure USING
                MESSAGE = 'this table was changed since this transaction began',
                HINT = 'Begin the transaction again.';
        END IF;
        -- That trigger may have called another function then, in a schema of somebody else's: only
        -- what belongs to this function's owner is called in its name.
        IF NOT EXISTS (
            SELECT FROM pg_proc AS its
            WHERE its.oid = to_regprocedure(concat(own, '.rotation_reading(oid, name)'))
                AND pg_get_userbyid(its.proowner) = current_user
        ) THEN
            RAISE insufficient_privilege;
        END IF;
        PERFORM set_config('search_path', concat('pg_catalog, ', own, ', pg_temp'), true);
        reading := rotation_reading(TG_RELID, TG_NAME);
        -- Nor is the column's type what the transaction sees of the catalog.
        IF reading = %8$L::name THEN
            kind := pg_catalog.pg_typeof(NEW.%1$I)::oid;
        ELSE
            EXECUTE pg_catalog.concat(
                'SELECT pg_catalog.pg_typeof(($1).', pg_catalog.quote_ident(reading::text), ')::oid'
            )
                INTO STRICT kind USING NEW;
        END IF;
        IF rotation_reads_as(kind) IS NULL THEN
            RAISE datatype_mismatch;
        END IF;
        IF reading = %8$L::name THEN
            hash := rotation_hash(NEW.%1$I::%5$s, '%6$s'::bigint);
        ELSE
            EXECUTE pg_catalog.concat(
                'SELECT ($1).', pg_catalog.quote_ident(reading::text), '::pg_catalog.text'
            )
                INTO STRICT token USING NEW;
            hash := rotation_hash(token, '%6$s'::bigint);
        END IF;
        refused := rotation_refuses(own, %7$s::int, hash, TG_RELID, TG_OP::text);
    EXCEPTION
        WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN
            RAISE WARNING 'a guard cannot read its state, and lets a token of %% pass',
                TG_TABLE_NAME
                USING HINT = 'Run rotation guard status, then rotation verify.';
    END;

    IF refused AND TG_OP = 'UPDATE' AND reading = %8$L::name THEN  -- else it was renamed: refused below
        NEW.%1$I := OLD.%1$I;
        RETURN NEW;
    END IF;
    IF refused THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'this token was revoked and cannot be used again',
            HINT = 'Insert the row with a new token.',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            COLUMN = %8$L;
    END IF;
    RETURN NEW;
END
        $body$,
        column_.attname,
        column_.atttypid,
        part,
        part::regclass::oid,
        column_.kind,
        revoked.salt,
        revoked.set_id,
        column_.attname,
        '{state_text}',
        of_table,
        of_attnum,
        part || '_since'
    );
END;
$outer$;

-- The current name of the column of a guard's trigger, in the trigger's table. NULL, and so an error
-- there, if it can't be read. Called where names resolve in the schema of the state.
CREATE FUNCTION {state}.rotation_reading(of_table oid, of_trigger name) RETURNS name
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE origin AS (
        SELECT this.oid, this.tgparentid
        FROM pg_trigger AS this
        WHERE this.tgrelid = of_table AND this.tgname = of_trigger

        UNION ALL

        SELECT parent.oid, parent.tgparentid
        FROM origin
        INNER JOIN pg_trigger AS parent ON parent.oid = origin.tgparentid
    )

    SELECT rotation_called(of_table::regclass, written.attnum::int)
    FROM origin
    INNER JOIN pg_depend AS spoken_of
        ON spoken_of.classid = 'pg_trigger'::regclass::oid
        AND spoken_of.objid = origin.oid
        AND spoken_of.refclassid = 'pg_class'::regclass::oid
        AND spoken_of.refobjsubid > 0
    INNER JOIN pg_attribute AS written
        ON written.attrelid = of_table
        AND rotation_called(of_table::regclass, written.attnum::int)
            = rotation_called(spoken_of.refobjid::regclass, spoken_of.refobjsubid)
    WHERE origin.tgparentid = 0
    LIMIT 1
$$;

-- Whether a write of the token with this hash is refused: looked up with names that resolve in the
-- schema `own`, where the state is now. What counts was revoked by the column's latest rotation that
-- was not cancelled, or by an earlier one: rows of a cancelled one still hold valid old tokens. A row
-- that moves between partitions is inserted with its token, which may still wait for its window:
-- until that rotation is about to be verified this passes, and the verification finds what came in
-- that way.
CREATE FUNCTION {state}.rotation_refuses(
    own text, of_set int, token bigint, of_table oid, operation text
) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    -- From here on only operators that pg_catalog has for exactly these types, hence ::text.
    PERFORM set_config('search_path', concat('pg_catalog, ', own, ', pg_temp'), true);
    -- What is not there would be looked for among the caller's temporary tables.
    IF pg_catalog.num_nulls(
        pg_catalog.to_regclass(own || '.rotation_revoked'), pg_catalog.to_regclass(own || '.rotation')
    ) > 0 THEN
        RAISE undefined_table;
    END IF;
    IF pg_catalog.current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        PERFORM rotation_require_recent_snapshot(own, of_set);
    END IF;
    RETURN EXISTS (
        SELECT FROM rotation_revoked AS revoked
        INNER JOIN rotation AS known ON known.id = revoked.rotation_id
        CROSS JOIN (
            SELECT other.id, other.verifying_at IS NOT NULL OR other.status::text = 'succeeded' AS strict
            FROM rotation AS other
            WHERE other.set_id = of_set
                AND other.revoked IS NOT NULL
                AND other.status::text <> 'cancelled'
            ORDER BY other.id DESC
            LIMIT 1
        ) AS latest
        WHERE revoked.set_id = of_set
            AND revoked.hash = token
            AND known.id <= latest.id
            AND (
                operation = 'UPDATE'
                OR latest.strict
                OR known.status::text = 'succeeded'
                OR NOT EXISTS (
                    SELECT FROM pg_class AS relation
                    WHERE relation.oid = of_table AND relation.relispartition
                )
            )
    );
END;
$$;

-- Rewrite the function of a guard for the current sets of its column.
CREATE FUNCTION {state}.rotation_write_guard(guard regprocedure, of_table oid, of_attnum smallint)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE concat(
        'CREATE OR REPLACE FUNCTION ', guard, ' RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ',
        -- A plan cached while the set was small would scan it, however large it is now.
        'SET search_path = pg_catalog, pg_temp SET row_security = off SET enable_seqscan = off AS ',
        quote_literal({state}.rotation_guard_body(of_table, of_attnum))
    );
END;
$$;

-- The statement that creates a guard's trigger. The rotation's own UPDATEs pass by its condition,
-- which costs far less than looking in the set: for a role that names the column in rotation.active
-- and may write to the set, and so could spoil it anyway. PostgreSQL parses a condition again in each
-- statement, hence none of this for an INSERT.
CREATE FUNCTION {state}.rotation_guard_trigger(
    of_table oid, of_attnum smallint, trigger_name name, inserting boolean, guard regprocedure
) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat(
        'CREATE TRIGGER ', quote_ident(trigger_name),
        CASE WHEN inserting THEN ' AFTER INSERT' ELSE ' BEFORE UPDATE' END,
        ' ON ', of_table::regclass, ' FOR EACH ROW WHEN (',
        CASE
            WHEN inserting THEN concat('NEW.', quote_ident(attname), ' IS NOT NULL')
            ELSE concat(
                '(NEW.', quote_ident(attname), exactly,
                ' IS DISTINCT FROM OLD.', quote_ident(attname), exactly,
                ') AND ((current_setting(''rotation.active'', true) IS DISTINCT FROM ''',
                of_table, '.', of_attnum, ''') OR ',
                '(pg_trigger_depth() > 0) OR ',
                '(has_table_privilege(session_user, ', quote_literal('{state_text}.rotation_revoked'),
                '::regclass, ''INSERT'') IS NOT TRUE) OR ',
                '(has_table_privilege(', quote_literal('{state_text}.rotation_revoked'),
                '::regclass, ''INSERT'') IS NOT TRUE))'
            )
        END,
        ') EXECUTE FUNCTION ', guard
    )
    FROM pg_attribute
    -- By its own collation two tokens may be equal that differ.
    CROSS JOIN LATERAL (SELECT CASE WHEN attcollation <> 0 THEN ' COLLATE "C"' END) AS spelled (exactly)
    WHERE attrelid = of_table AND attnum = of_attnum
$$;

-- A column's guard: each of its triggers, and what is wrong with it, or NULL.
CREATE FUNCTION {state}.rotation_inspect_guard(of_table oid, of_attnum smallint)
RETURNS TABLE (name text, function text, inserting boolean, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT
        installed.name::text,
        installed.function::text,
        installed.inserting,
        CASE
            WHEN function.proowner <> state.relowner
                THEN 'its function does not belong to the owner of the state of rotations'
            WHEN NOT function.prosecdef
                OR function.proconfig IS DISTINCT FROM ARRAY[
                    'search_path=pg_catalog, pg_temp', 'row_security=off', 'enable_seqscan=off'
                ]
                OR function.prosrc <> {state}.rotation_guard_body(of_table, of_attnum)
                THEN 'its function was changed, or the state of rotations renamed or restored'
            WHEN spelled.found <> spelled.wanted
                THEN 'its trigger was changed'
            WHEN part.missing IS NOT NULL
                THEN 'it is switched off or can be bypassed on ' || part.missing
            WHEN NOT has_function_privilege(guarded.relowner, function.oid, 'EXECUTE')
                THEN 'the owner of the table may not call its function, and so make no partition'
        END
    FROM {state}.rotation_guards(of_table, of_attnum) AS installed
    INNER JOIN pg_proc AS function ON function.oid = installed.function
    INNER JOIN pg_class AS state ON state.oid = '{state_text}.rotation'::regclass
    INNER JOIN pg_class AS guarded ON guarded.oid = of_table
    -- PostgreSQL adds its own casts and parentheses to a condition.
    CROSS JOIN LATERAL (
        SELECT
            lower(regexp_replace(pg_get_triggerdef(installed.trigger), bare.pattern, '', 'g')) AS found,
            lower(regexp_replace(
                {state}.rotation_guard_trigger(
                    of_table, of_attnum, installed.name, installed.inserting, installed.function
                ),
                bare.pattern, '', 'g'
            )) AS wanted
        FROM (
            SELECT '[[:space:]()]|::(text|regclass|oid|uuid|bpchar|character varying)'
        ) AS bare (pattern)
    ) AS spelled
    CROSS JOIN LATERAL (
        -- A: ENABLE ALWAYS.
        SELECT min(member.relid::regclass::text) AS missing
        FROM (
            SELECT of_table AS relid

            UNION

            SELECT relid FROM pg_partition_tree(of_table::regclass)

            UNION

            SELECT inhrelid FROM pg_inherits WHERE inhparent = of_table
        ) AS member
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger AS copied
            WHERE copied.tgrelid = member.relid
                AND copied.tgfoid = function.oid
                AND (copied.tgtype::int & 4 <> 0) = installed.inserting
                AND copied.tgenabled = 'A'
                -- A partition's trigger has its parent's condition if PostgreSQL created it.
                AND (
                    copied.oid = installed.trigger
                    OR copied.tgparentid <> 0
                    OR guarded.relkind = 'r'
                )
        )
    ) AS part
$$;

-- Create what a guard needs, and return the statements with which the table's owner installs it,
-- replacing an existing one. The role that creates the triggers must be allowed to call their function.
CREATE FUNCTION {state}.rotation_prepare_guard(of_table oid, of_attnum smallint, trigger_name text)
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller name := coalesce(nullif(current_setting('role'), 'none'), session_user);
    installed record;
    guard regprocedure;
    second name;
    remark text;
    grantee name;
BEGIN
    IF (SELECT pg_has_role(caller, relowner, 'USAGE') FROM pg_class WHERE oid = of_table) IS NOT TRUE THEN
        RAISE insufficient_privilege USING MESSAGE = 'only the owner of the table can install its guard';
    END IF;
    -- Anyone else who notes a change of the set locks its rotations' rows until the end. This lock comes
    -- first: the end of a snapshot takes them in this order too.
    PERFORM
    FROM {state}.rotation AS known
    WHERE known.set_id IN (SELECT set_id FROM {state}.rotation_with_set(of_table, of_attnum))
    FOR NO KEY UPDATE;
    -- One at a time: two would take the same function, or install two guards. No other role can hold
    -- this lock.
    LOCK TABLE ONLY {state}.rotation_revoked IN SHARE UPDATE EXCLUSIVE MODE;
    FOR installed IN SELECT * FROM {state}.rotation_guards(of_table, of_attnum) LOOP
        guard := (
            SELECT function.oid
            FROM pg_proc AS function
            INNER JOIN pg_class AS state ON state.oid = '{state_text}.rotation'::regclass
            WHERE function.oid = installed.function
                AND function.proowner = state.relowner
                AND NOT installed.shared
        );
        IF installed.name = trigger_name THEN
            remark := obj_description(installed.trigger, 'pg_trigger');  -- that of django-pgtrigger
        END IF;
        RETURN NEXT concat('DROP TRIGGER ', quote_ident(installed.name), ' ON ', of_table::regclass);
    END LOOP;
    guard := coalesce(guard, {state}.rotation_find_unused_guard());
    -- Named after it: partitions, and other states, come and go with triggers of their own.
    second := (SELECT proname || '_insert' FROM pg_proc WHERE oid = guard);
    trigger_name := coalesce(trigger_name, (SELECT proname || '_update' FROM pg_proc WHERE oid = guard));
    WHILE EXISTS (
        SELECT FROM pg_trigger AS other
        WHERE other.tgrelid IN (
            SELECT of_table

            UNION ALL

            SELECT relid FROM pg_partition_tree(of_table::regclass)
        )
            AND other.tgname IN (trigger_name, second)
            AND other.tgfoid NOT IN (
                SELECT mine.function FROM {state}.rotation_guards(of_table, of_attnum) AS mine
            )
    ) LOOP
        trigger_name := trigger_name || '_';
        second := second || '_';
    END LOOP;
    PERFORM {state}.rotation_write_guard(guard, of_table, of_attnum);
    -- An old snapshot may show these triggers as another column's.
    PERFORM {state}.rotation_note_change(its.set_id)
    FROM (
        SELECT DISTINCT known.set_id FROM {state}.rotation_with_set(of_table, of_attnum) AS known
    ) AS its;
    -- A role that created triggers with it before may now own another table.
    PERFORM {state}.rotation_keep_to_owner('pg_proc', guard);
    -- Whoever creates a partition calls it too: the table's owner, or one who may act as that.
    FOR grantee IN
        SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = of_table

        UNION

        SELECT caller
    LOOP
        IF NOT has_function_privilege(grantee, guard, 'EXECUTE') THEN
            EXECUTE concat('GRANT EXECUTE ON FUNCTION ', guard, ' TO ', quote_ident(grantee));
        END IF;
    END LOOP;
    RETURN NEXT {state}.rotation_guard_trigger(of_table, of_attnum, trigger_name, false, guard);
    RETURN NEXT {state}.rotation_guard_trigger(of_table, of_attnum, second, true, guard);
    RETURN NEXT concat(
        'ALTER TABLE ', of_table::regclass,
        ' ENABLE ALWAYS TRIGGER ', quote_ident(trigger_name),
        ', ENABLE ALWAYS TRIGGER ', quote_ident(second)
    );
    IF remark IS NOT NULL THEN
        RETURN NEXT concat(
            'COMMENT ON TRIGGER ', quote_ident(trigger_name), ' ON ', of_table::regclass,
            ' IS ', quote_literal(remark)
        );
    END IF;
END;
$$;

CREATE SEQUENCE {state}.rotation_guard_number;

-- A function for a guard: one that no trigger uses any more, or a new one.
CREATE FUNCTION {state}.rotation_find_unused_guard() RETURNS regprocedure
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    guard regprocedure;
    signature text;
BEGIN
    SELECT function.oid INTO guard
    FROM pg_proc AS function
    INNER JOIN pg_class AS state
        ON state.oid = '{state_text}.rotation'::regclass AND state.relnamespace = function.pronamespace
    WHERE function.proname ~ '^rotation_guard_[0-9]+$'
        AND function.proowner = state.relowner
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = function.oid)
    LIMIT 1;
    IF guard IS NULL THEN
        LOOP  -- past names that are already taken
            signature := concat(
                '{state_text}.rotation_guard_', nextval('{state_text}.rotation_guard_number'), '()'
            );
            EXIT WHEN to_regprocedure(signature) IS NULL;
        END LOOP;
        EXECUTE concat(
            'CREATE FUNCTION ', signature,
            ' RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NEW; END'''
        );
        guard := signature::regprocedure;
    END IF;
    RETURN guard;
END;
$$;
