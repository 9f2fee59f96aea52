-- Purpose: what an UPDATE sets if other columns depend on the new token: it is made once for each row,
--          and named new_token for their expressions, which may also name the row's columns. It fills
--          {new_values}.
({column}{columns}) = (
    SELECT made.new_token{values}
    FROM (
        SELECT {token} AS new_token
        -- With OFFSET, or the planner might put the expression in the place of each new_token.
        OFFSET 0
    ) AS made
    -- It refers to the row, or there would be one token for all rows.
    WHERE target.{pk} IS NOT NULL
)
