-- Purpose: parse_alone.sql for the value of a companion, which may name the new token.
SELECT (
    SELECT ARRAY[
        {piece}
    ]
    FROM (SELECT {new_token} AS new_token OFFSET 0) AS made
)
FROM {target} AS target;
