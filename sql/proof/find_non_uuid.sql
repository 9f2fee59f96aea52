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
-- Four spellings in place of a back reference, by which the same took nine times as long.
WHERE spelled.token !~ (
    '^(?:[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|[0-9a-f]{{32}}'
    || '|[0-9A-F]{{8}}(?:-[0-9A-F]{{4}}){{3}}-[0-9A-F]{{12}}|[0-9A-F]{{32}})$'
)
ORDER BY spelled.key
LIMIT 1;
