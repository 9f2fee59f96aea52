-- Purpose: which columns of a sample of one table's rows hold a value that a column of another table
--          (or another column of the same) holds. A value is a uuid, or a text that spells one and
--          nothing else. Between the two tables it goes either way: other columns are sampled and
--          looked up in the target, or tokens are sampled and looked up elsewhere.
-- Parameters: percent (of the sampled table's pages), rows (of it, at the most), most (values of each
--          column that are looked up, at the most).
-- Columns: number (of a sampled column that holds one, from 1 on).
WITH sample AS MATERIALIZED (
    SELECT {columns}
    FROM {copied} AS copied TABLESAMPLE SYSTEM (%(percent)s)
    LIMIT %(rows)s
),

held AS (
    SELECT
        value.number,
        value.token,
        pg_catalog.row_number() OVER (PARTITION BY value.number) AS nth
    FROM sample
    CROSS JOIN LATERAL (VALUES {tokens}) AS value (number, token)
    WHERE value.token IS NOT NULL
)

SELECT DISTINCT held.number
FROM held
WHERE held.nth <= %(most)s AND EXISTS (SELECT FROM {looked_up} AS looked_up WHERE {same});
