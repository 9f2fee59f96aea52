-- Purpose: the lowest and the highest primary key that the table has now.
-- Columns: floor, ceiling (NULL if the table is empty).
SELECT
    (SELECT {pk} FROM {target} ORDER BY {pk} LIMIT 1)::text AS floor,
    (SELECT {pk} FROM {target} ORDER BY {pk} DESC LIMIT 1)::text AS ceiling;
