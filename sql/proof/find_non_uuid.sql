-- Purpose: find a row, of a window or of the whole table, whose text is not a UUID in a spelling that a
--          new one can have too: with or without hyphens, in lower or upper case.
-- Parameters: lo, hi (the window's first and last key; NULL: the whole table).
-- Columns: key.
SELECT spelled.key::text AS key
FROM (
    SELECT target.{pk} AS key, target.{column}::text COLLATE "C" AS token
    FROM {target} AS target
    WHERE (%(lo)s::text IS NULL OR {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type})
        AND {chosen}
) AS spelled
WHERE spelled.token !~* E'^[0-9a-f]{{8}}(-?)[0-9a-f]{{4}}(\\1[0-9a-f]{{4}}){{2}}\\1[0-9a-f]{{12}}$'
    OR spelled.token NOT IN (pg_catalog.lower(spelled.token), pg_catalog.upper(spelled.token))
ORDER BY spelled.key
LIMIT 1;
