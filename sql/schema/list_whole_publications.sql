-- Purpose: the publications that publish every table of a schema, new ones too: they would take the
--          rotation's state along, which subscribers lack.
-- Parameters: schema (NULL: where this role creates tables).
-- Columns: name (quoted), kind (as CREATE PUBLICATION says it).
SELECT
    pg_catalog.quote_ident(publication.pubname) AS name,
    CASE
        WHEN publication.puballtables THEN 'FOR ALL TABLES'
        ELSE pg_catalog.concat('FOR TABLES IN SCHEMA ', pg_catalog.quote_ident(namespace.nspname))
    END AS kind
FROM pg_catalog.pg_publication AS publication
CROSS JOIN pg_catalog.pg_namespace AS namespace
WHERE namespace.nspname OPERATOR(pg_catalog.=) coalesce(
        %(schema)s::pg_catalog.name, pg_catalog.current_schema()
    )
    AND (publication.pubinsert OR publication.pubupdate)
    AND (
        publication.puballtables
        -- By dependencies, because PostgreSQL 14 has no pg_publication_namespace.
        OR EXISTS (
            SELECT FROM pg_catalog.pg_depend AS of_publication
            INNER JOIN pg_catalog.pg_depend AS of_schema
                ON of_schema.classid OPERATOR(pg_catalog.=) of_publication.classid
                AND of_schema.objid OPERATOR(pg_catalog.=) of_publication.objid
            INNER JOIN pg_catalog.pg_class AS catalog
                ON catalog.oid OPERATOR(pg_catalog.=) of_publication.classid
            WHERE catalog.relname OPERATOR(pg_catalog.=) 'pg_publication_namespace'::pg_catalog.name
                AND catalog.relnamespace
                OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
                AND of_publication.refclassid
                OPERATOR(pg_catalog.=) 'pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid
                AND of_publication.refobjid OPERATOR(pg_catalog.=) publication.oid
                AND of_schema.refclassid
                OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
                AND of_schema.refobjid OPERATOR(pg_catalog.=) namespace.oid
        )
    )
ORDER BY publication.pubname;
