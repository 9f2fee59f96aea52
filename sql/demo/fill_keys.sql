-- Purpose: make sample rows of the demo's own table.
-- Parameters: size.
INSERT INTO demo_api_key (id)
SELECT number FROM pg_catalog.generate_series(1, %(size)s) AS number;
