-- Purpose: an expression that PostgreSQL accepts only if a piece of the operator's SQL is bytea; a
--          literal without a type is text. It is only parsed, and fills {piece}.
pg_catalog.get_byte((ARRAY[{made}])[1], 0)
