-- Purpose: whether the operator's condition is true of any row that has a token.
-- Columns: found.
SELECT EXISTS (SELECT FROM {target} AS target WHERE {chosen}) AS found;
