-- Purpose: the spellings of a token that are looked up in an index on text: those that respell_token.sql
--          makes. It is part of {same}.
ARRAY[
    held.token::pg_catalog.text,
    pg_catalog.upper(held.token::pg_catalog.text),
    pg_catalog.replace(held.token::pg_catalog.text, '-', ''),
    pg_catalog.upper(pg_catalog.replace(held.token::pg_catalog.text, '-', ''))
]
