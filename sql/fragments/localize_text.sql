-- Purpose: localize_uuid.sql for tokens of a format: the random part starts with the slice's characters,
--          and the next one is one of 16, or any. It is part of {window_values}.
-- Parameters: slice (characters), digits (16, some repeated; none: any).
pg_catalog.overlay(
    {random_text},
    %(slice)s::text || pg_catalog.substr(
        %(digits)s::text,
        1 + (pg_catalog.get_byte(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), 0) & 15),
        1
    ),
    1
)
