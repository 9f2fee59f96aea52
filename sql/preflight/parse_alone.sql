-- Purpose: what is parsed, and never run, of a piece of the operator's SQL on its own: between brackets
--          that it can't close. Where parentheses in it don't match, it would take others of a statement
--          for theirs.
SELECT ARRAY[
    {piece}
]
FROM {target} AS target;
