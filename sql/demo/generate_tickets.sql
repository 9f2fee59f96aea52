-- Purpose: make sample tickets in the server; nothing but their number crosses the wire.
-- Parameters: size.
INSERT INTO ticket (title, status, token, created_at, updated_at)
SELECT
    'Ticket ' || number,
    (ARRAY['open', 'pending', 'closed'])[1 + pg_catalog.mod(number, 3)],
    pg_catalog.gen_random_uuid(),
    made_at,
    made_at
FROM pg_catalog.generate_series(1, %(size)s) AS number
CROSS JOIN LATERAL (
    SELECT pg_catalog.now() - pg_catalog.mod(number, 365) * interval '1 day' AS made_at
) AS age;
