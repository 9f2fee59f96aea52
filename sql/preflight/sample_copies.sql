-- Purpose: which columns of a sample of one table's rows hold a value that a column of another table
--          (or another column of the same) holds. A value is a uuid, or text that spells exactly
--          one. It works in both directions: other columns are sampled and looked up in the target,
--          or tokens are sampled and looked up elsewhere.
-- Parameters: percent (of the sampled table's pages), rows (of it, at most), most (values of each
--          column to look up, at most).
-- Columns: number (of a sampled column that holds one, from 1).
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
    WHERE value.token IS NOT NULL AND value.token::pg_catalog.text <> ''
)

SELECT DISTINCT held.number
FROM held
WHERE held.nth <= %(most)s AND EXISTS (SELECT FROM {looked_up} AS looked_up WHERE {same});
