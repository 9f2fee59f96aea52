-- Purpose: what this role may see of what other roles' sessions do.
-- Columns: all (whether it sees all of each); needed (the views that a rotation can't do without and
--          this role may not read), hidden (those that only tell what holds vacuum back), each a list
--          in words, or NULL.
SELECT
    pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS "all",
    pg_catalog.string_agg(seen.name, ', ') FILTER (WHERE seen.needed) AS needed,
    pg_catalog.string_agg(seen.name, ', ') FILTER (WHERE NOT seen.needed) AS hidden
FROM (
    VALUES
        ('pg_locks', true),
        ('pg_stat_activity', true),
        ('pg_prepared_xacts', false),
        ('pg_replication_slots', false),
        ('pg_stat_replication', false)
) AS seen (name, needed)
WHERE NOT pg_catalog.has_table_privilege('pg_catalog.' || seen.name, 'SELECT');
