-- Purpose: the demo's own table, whose rotation is paused while one of the tickets runs.
CREATE TABLE demo_api_key (
    id bigint PRIMARY KEY,
    token uuid NOT NULL UNIQUE DEFAULT pg_catalog.gen_random_uuid()
);
