-- Purpose: whether an INSERT fires triggers of the application.
-- Parameters: oid (of the table).
-- Columns: fires.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS trigger_
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
    WHERE trigger_.tgrelid IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
        AND NOT trigger_.tgisinternal
        AND trigger_.tgenabled IN ('O', 'A')
        -- The bit of pg_trigger.tgtype that stands for INSERT, from PostgreSQL's pg_trigger.h.
        AND trigger_.tgtype::int & 4 <> 0
        AND function.proname !~ '^rotation_guard_[0-9]+$'
) AS fires;
