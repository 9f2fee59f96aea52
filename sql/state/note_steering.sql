-- Purpose: record who steered a rotation, when, and how, in the transaction that does it.
-- Parameters: rotation, who, what.
UPDATE {rotation}
SET steered = steered || pg_catalog.jsonb_build_array(
    pg_catalog.jsonb_build_object(
        'at', pg_catalog.clock_timestamp(), 'who', %(who)s::text, 'what', %(what)s::text
    )
)
WHERE id = %(rotation)s;
