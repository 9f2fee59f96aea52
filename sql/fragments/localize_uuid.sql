-- Purpose: the expression of a random UUID (version 4) in the window's slice of all UUIDs: it starts
--          with the slice's digits, and the next is one of 16. It takes the place of a random UUID's
--          expression in {window_values}.
-- Parameters: slice (hexadecimal digits, eight at most with the next), digits (16, some repeated).
pg_catalog.overlay(
    pg_catalog.gen_random_uuid()::text,
    %(slice)s::text || pg_catalog.substr(
        %(digits)s::text,
        1 + (pg_catalog.get_byte(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), 0) & 15),
        1
    ),
    1
)::pg_catalog.uuid
