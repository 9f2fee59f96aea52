-- Purpose: insert a copy of a row under an unused key: with a new token, or with the row's old one,
--          which the same statement replaces. For the canary. Writes to the target; rolled back.
-- Parameters: key (of the row), old (with its old token); set, salt.
-- Columns: revoked (the token actually inserted is in the set); no row if none was inserted.
WITH present AS MATERIALIZED (
    SELECT target.* FROM {target} AS target WHERE {key} = %(key)s::{pk_type}
),

replaced AS (
    UPDATE {target} AS target
    SET {new_values}
    WHERE {key} = (SELECT present.{pk}::{pk_type} FROM present)
    RETURNING true AS rotation_replaced
)

INSERT INTO {target} AS inserted ({pk}, {column} {other_columns})
OVERRIDING SYSTEM VALUE
SELECT
    {free_key},
    CASE WHEN %(old)s THEN target.{column} ELSE {new_token} END {other_values}
FROM present AS target
CROSS JOIN replaced
RETURNING EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s
        AND revoked.hash = {rotation_hash}({inserted_token}, %(salt)s::bigint)
) AS revoked;
