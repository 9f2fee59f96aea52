-- Purpose: move a lane's checkpoint and write the journal, in the window's transaction; see
--          sql/schema/windows.sql. Called by its name and with types in full, as the role's own search
--          path is in force, which the triggers of the COMMIT rely on.
-- Parameters: lane_id, last_id (as read), reached (the checkpoint from now on), lo, hi, rows,
--          milliseconds, throttled (milliseconds before that), throttle (why), worker, writable
--          (statuses of the rotation in which its windows may commit).
-- Columns: entry, the id of the journal's row; NULL if nothing was written.
SELECT {rotation_advance}(
    %(lane_id)s::pg_catalog.int8,
    %(last_id)s::pg_catalog.text,
    %(reached)s::pg_catalog.text,
    %(lo)s::pg_catalog.text,
    %(hi)s::pg_catalog.text,
    %(rows)s::pg_catalog.int8,
    %(milliseconds)s::pg_catalog.float8,
    %(throttled)s::pg_catalog.float8,
    %(throttle)s::pg_catalog.text,
    %(worker)s::pg_catalog.text,
    %(writable)s::pg_catalog.text[]
) AS entry;
