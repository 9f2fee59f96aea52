-- Purpose: cut the table's primary keys into lanes. A lane starts and ends with a key that exists now; a
--          range between two cuts without a key makes no lane.
-- Parameters: cuts (keys as text, in any order; a lane ends with each, and another one follows the
--          last).
-- Columns: lower, upper (first and last key of each lane, in order; none if the table is empty).
WITH ends AS (
    SELECT
        (SELECT {pk} FROM {target} ORDER BY {pk} LIMIT 1) AS floor,
        (SELECT {pk} FROM {target} ORDER BY {pk} DESC LIMIT 1) AS ceiling
),

-- The empty part gives the keys the column's own collation, by which they are ordered.
cut AS (
    SELECT {pk} AS key
    FROM {target}
    WHERE false

    UNION

    SELECT cut.key::{pk_type}
    FROM pg_catalog.unnest(%(cuts)s::text[] || NULL::text) AS cut (key)
),

stretch AS (
    SELECT
        pg_catalog.row_number() OVER (ORDER BY cut.key NULLS LAST) AS number,
        pg_catalog.lag(cut.key) OVER (ORDER BY cut.key NULLS LAST) AS after,
        cut.key AS until
    FROM cut
),

lane AS (
    SELECT
        stretch.number,
        CASE
            WHEN stretch.after IS NULL THEN ends.floor
            ELSE (
                SELECT {pk}
                FROM {target}
                WHERE {pk} > stretch.after
                ORDER BY {pk}
                LIMIT 1
            )
        END AS lower,
        CASE
            WHEN stretch.until IS NULL THEN ends.ceiling
            ELSE (
                SELECT {pk}
                FROM {target}
                WHERE {pk} <= stretch.until
                ORDER BY {pk} DESC
                LIMIT 1
            )
        END AS upper
    FROM stretch
    CROSS JOIN ends
)

SELECT lower::text AS lower, upper::text AS upper
FROM lane
WHERE lane.lower <= lane.upper
ORDER BY number;
