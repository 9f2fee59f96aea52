-- Purpose: find a row, of a window or of the whole table, whose text is not a UUID in a spelling that a
--          new one can have too: with or without hyphens, in lower or upper case.
-- Parameters: lo, hi (the window's first and last key; NULL: the whole table).
-- Columns: key.
SELECT target.{pk}::text AS key
FROM {target} AS target
CROSS JOIN LATERAL (SELECT target.{column}::text COLLATE "C" AS token) AS spelled
WHERE (%(lo)s::text IS NULL OR target.{pk} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type})
    AND target.{column} IS NOT NULL
    AND (
        spelled.token !~* E'^[0-9a-f]{{8}}(-?)[0-9a-f]{{4}}(\\1[0-9a-f]{{4}}){{2}}\\1[0-9a-f]{{12}}$'
        OR spelled.token NOT IN (pg_catalog.lower(spelled.token), pg_catalog.upper(spelled.token))
    )
ORDER BY target.{pk}
LIMIT 1;
