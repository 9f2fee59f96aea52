-- Purpose: the publications that send a table's updates to subscribers.
-- Parameters: oid.
-- Columns: name.
SELECT DISTINCT publication.pubname AS name
FROM pg_catalog.pg_publication AS publication
INNER JOIN pg_catalog.pg_publication_tables AS published ON published.pubname = publication.pubname
WHERE publication.pubupdate
    AND (
        pg_catalog.quote_ident(published.schemaname)
        || '.' || pg_catalog.quote_ident(published.tablename)
    )::regclass IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
ORDER BY publication.pubname;
