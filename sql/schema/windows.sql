-- Purpose: what every window asks of the catalog and writes down. These are functions so that each session
--          keeps their plans: to make those takes longer than the UPDATE of a small window.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.

-- What a target is now: everything that would make the rotation's work or its proof worthless if it
-- changed. No row if the table, or the column, is no more. `protection` is row-level security; it, the
-- guard, triggers, rules and foreign keys (of the column) are texts that change when they do.
CREATE FUNCTION {state}.rotation_target_shape(
    asked_oid oid,
    asked_attnum smallint,
    OUT "schema" name,
    OUT "table" name,
    OUT "column" name,
    OUT column_type text,
    OUT protection text,
    OUT guard text,
    OUT triggers text,
    OUT rules text,
    OUT foreign_keys text
) RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        namespace.nspname,
        relation.relname,
        column_.attname,
        column_.atttypid::regtype::text,
        pg_catalog.concat(relation.relrowsecurity, relation.relforcerowsecurity),
        fired.guard,
        fired.triggers,
        (
            SELECT pg_catalog.string_agg(rule.oid::text, ', ' ORDER BY rule.oid)
            FROM pg_catalog.pg_rewrite AS rule
            WHERE rule.ev_class = relation.oid
        ),
        (
            SELECT pg_catalog.string_agg(DISTINCT reference.oid::text, ', ' ORDER BY reference.oid::text)
            FROM (
                SELECT relation.oid

                UNION

                SELECT relid FROM pg_catalog.pg_partition_tree(relation.oid::regclass)
            ) AS part
            INNER JOIN pg_catalog.pg_attribute AS its
                ON its.attrelid = part.oid AND its.attname = column_.attname
            -- Of its own keys, and of those that refer to it.
            INNER JOIN pg_catalog.pg_depend AS used
                ON used.refclassid = 'pg_catalog.pg_class'::regclass
                AND used.refobjid = part.oid
                AND used.refobjsubid = its.attnum
                AND used.classid = 'pg_catalog.pg_constraint'::regclass
            INNER JOIN pg_catalog.pg_constraint AS reference
                ON reference.oid = used.objid
                AND reference.contype = 'f'
                -- Partitions may be added; what they inherit is not a change.
                AND reference.conparentid = 0
        )
    FROM pg_catalog.pg_class AS relation
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = relation.oid
        AND column_.attnum = asked_attnum
        AND NOT column_.attisdropped
    CROSS JOIN LATERAL (
        SELECT
            pg_catalog.string_agg(each.one, ', ' ORDER BY each.one) FILTER (WHERE each.is_guard) AS guard,
            pg_catalog.string_agg(each.one, ', ' ORDER BY each.one) FILTER (WHERE NOT each.is_guard)
                AS triggers
        FROM (
            SELECT
                pg_catalog.concat_ws(
                    ' ', trigger_.oid, trigger_.tgtype, trigger_.tgenabled, function.oid, function.xmin
                ) AS one,
                function.proname ~ '^rotation_guard_[0-9]+$'
                AND function.pronamespace = (
                    SELECT state.relnamespace
                    FROM pg_catalog.pg_class AS state
                    WHERE state.oid = '{state_text}.rotation'::regclass
                ) AS is_guard
            FROM pg_catalog.pg_trigger AS trigger_
            INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
            WHERE NOT trigger_.tgisinternal
                -- Partitions may be added; what they inherit is not a change, unless it is disabled there.
                AND (trigger_.tgparentid = 0 OR trigger_.tgenabled IN ('D', 'R'))
                AND trigger_.tgrelid IN (
                    SELECT asked_oid

                    UNION ALL

                    SELECT relid FROM pg_catalog.pg_partition_tree(asked_oid::regclass)
                )
        ) AS each
    ) AS fired
    WHERE relation.oid = asked_oid;
END;
$$;

-- Move a lane's checkpoint from exactly what was read when it was claimed, and write the journal, in the
-- window's transaction; returns the id of the journal's row. If the checkpoint has changed since, or the
-- rotation is in none of the statuses `writable` any more, this writes nothing and returns NULL, and the
-- window must be rolled back. `milliseconds` it took, after it was held back for `held` because of `why`.
CREATE FUNCTION {state}.rotation_advance(
    claimed bigint,
    known text,
    reached text,
    first_key text,
    last_key text,
    replaced bigint,
    took double precision,
    held double precision,
    why text,
    by_worker text,
    writable text[]
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, {state}, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    entry bigint;
BEGIN
    WITH advanced AS (
        UPDATE {state}.batchprogress AS lane
        SET last_id = reached,
            rows = lane.rows + replaced,
            windows = lane.windows + 1,
            worker = by_worker,
            updated_at = pg_catalog.clock_timestamp()
        FROM {state}.rotation AS rotation
        WHERE lane.id = claimed
            AND lane.last_id IS NOT DISTINCT FROM known
            AND rotation.id = lane.rotation_id
            AND rotation.status = ANY (writable)
        RETURNING lane.id, lane.rotation_id
    )

    INSERT INTO {state}.rotation_window (
        rotation_id, lane_id, lo, hi, rows, milliseconds, throttled, throttle, transaction_id, worker,
        finished_at
    )
    SELECT
        rotation_id, id, first_key, last_key, replaced, took, held, why,
        pg_catalog.pg_current_xact_id()::text::bigint, by_worker, pg_catalog.clock_timestamp()
    FROM advanced
    RETURNING id INTO entry;
    RETURN entry;
END;
$$;
