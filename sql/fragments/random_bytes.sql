-- Purpose: the expression of 64 random bytes: a hash of the 244 random bits of two UUIDs, which
--          PostgreSQL takes from its strong random source. It is part of {new_token}.
pg_catalog.sha512(
    pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
    || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
)
