-- Purpose: the body of the trigger function on batchprogress, which django-pgtrigger creates: a
--          checkpoint only moves forward, within bounds that never change, whoever writes it.
-- Variables: kind (a cast to the key's type, with its collation), ordered.
IF TG_OP = 'UPDATE' AND (
    NEW.rotation_id, NEW.lane, NEW.pk_type, NEW.pk_collation, NEW.lower, NEW.upper
) IS DISTINCT FROM (
    OLD.rotation_id, OLD.lane, OLD.pk_type, OLD.pk_collation, OLD.lower, OLD.upper
) THEN
    RAISE EXCEPTION 'the bounds of a lane never change';
END IF;
-- Keys compare as their own type does: '9' comes before '10' in a bigint.
-- A name in the catalog may hold anything: it is quoted, and never read as a format. Of a domain, its
-- base: a cast to a domain, or to a type that is not PostgreSQL's own, may run code of its owner.
WITH RECURSIVE under AS (
    SELECT found.* FROM pg_catalog.pg_type AS found WHERE found.oid = NEW.pk_type::regtype::oid

    UNION ALL

    SELECT base.*
    FROM under
    INNER JOIN pg_catalog.pg_type AS base ON base.oid = under.typbasetype AND under.typtype = 'd'
)

SELECT pg_catalog.concat('::pg_catalog.', pg_catalog.quote_ident(under.typname)) INTO kind
FROM under
WHERE under.typtype = 'b' AND under.typnamespace = 'pg_catalog'::regnamespace::oid;
IF kind IS NULL THEN
    RAISE EXCEPTION 'the type of a lane''s keys is not one of PostgreSQL''s own';
END IF;
IF NEW.pk_collation <> '' THEN
    SELECT pg_catalog.concat(
        kind, ' COLLATE ', pg_catalog.quote_ident(space.nspname),
        '.', pg_catalog.quote_ident(found.collname)
    ) INTO STRICT kind
    FROM pg_catalog.pg_collation AS found
    INNER JOIN pg_catalog.pg_namespace AS space ON space.oid = found.collnamespace
    WHERE found.oid = NEW.pk_collation::regcollation::oid;
END IF;
kind := kind || ')';
EXECUTE pg_catalog.concat(
    'SELECT ($1', kind, ' <= ($2', kind,
    ' AND ($3 IS NULL OR ($3', kind, ' BETWEEN ($1', kind, ' AND ($2', kind, ')'
) INTO ordered USING NEW.lower, NEW.upper, NEW.last_id;
IF ordered IS NOT TRUE THEN
    RAISE EXCEPTION 'a checkpoint stays within its lane';
END IF;
IF TG_OP = 'UPDATE' THEN
    EXECUTE pg_catalog.concat(
        'SELECT ($2 IS NULL OR coalesce(($1', kind, ' >= ($2', kind, ', false))'
    ) INTO ordered USING NEW.last_id, OLD.last_id;
    IF ordered IS NOT TRUE
        OR (NEW.rows, NEW.windows) IS DISTINCT FROM (
            greatest(NEW.rows, OLD.rows), greatest(NEW.windows, OLD.windows)
        )
    THEN
        RAISE EXCEPTION 'a checkpoint never moves back';
    END IF;
END IF;
RETURN NEW;
