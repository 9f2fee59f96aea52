-- Purpose: how many more connections this role can open, within the limits of the server, the database
--          and the role.
-- Columns: free, allowed (for this role and this database at all; NULL for no limit).
SELECT
    least(
        pg_catalog.current_setting('max_connections')::int
        - pg_catalog.current_setting('superuser_reserved_connections')::int
        -- Since PostgreSQL 16.
        - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0)
        - (
            SELECT pg_catalog.count(*)
            FROM pg_catalog.pg_stat_activity AS activity
            WHERE activity.backend_type = 'client backend' OR activity.backend_type IS NULL
        ),
        CASE
            WHEN database.datconnlimit >= 0
                THEN database.datconnlimit - pg_catalog.pg_stat_get_db_numbackends(database.oid)
        END,
        CASE
            WHEN role.rolconnlimit >= 0
                THEN role.rolconnlimit - (
                    SELECT pg_catalog.count(*)
                    FROM pg_catalog.pg_stat_activity AS own
                    WHERE own.usename = role.rolname
                )
        END
    )::int AS free,
    CASE
        WHEN database.datconnlimit >= 0 OR role.rolconnlimit >= 0
            THEN least(nullif(database.datconnlimit, -1), nullif(role.rolconnlimit, -1))
    END AS allowed
FROM pg_catalog.pg_database AS database
CROSS JOIN pg_catalog.pg_roles AS role
WHERE database.datname = pg_catalog.current_database() AND role.rolname = current_user;
