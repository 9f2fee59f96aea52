-- Purpose: the publications that send a table's updates to subscribers.
-- Parameters: oid.
-- Columns: name.
SELECT DISTINCT publication.pubname AS name
FROM pg_catalog.pg_publication AS publication
INNER JOIN pg_catalog.pg_publication_tables AS published ON published.pubname = publication.pubname
-- Not by a cast to regclass: that fails for a schema that this role may not use.
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = published.schemaname
INNER JOIN pg_catalog.pg_class AS relation
    ON relation.relnamespace = namespace.oid AND relation.relname = published.tablename
WHERE publication.pubupdate
    AND relation.oid IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
ORDER BY publication.pubname;
