-- Purpose: the expression of a new token for a column of text: a random UUID with or without hyphens and
--          capitals, spelled like the row's current token. It fills {new_token}.
pg_catalog.translate(
    pg_catalog.gen_random_uuid()::text,
    'abcdef' || CASE
        WHEN pg_catalog.strpos(target.{column}::text COLLATE "C", '-') > 0 THEN ''
        ELSE '-'
    END,
    CASE
        WHEN target.{column}::text COLLATE "C" = pg_catalog.lower(target.{column}::text COLLATE "C")
            THEN 'abcdef'
        ELSE 'ABCDEF'
    END
)
