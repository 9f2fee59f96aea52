-- Purpose: what the target is now; see sql/schema/target_shape.sql.
-- Parameters: oid, attnum (of the token's column).
-- Columns: schema, table, column, column_type; protection (row-level security), guard, triggers, rules,
--          foreign_keys (of the column), each as text that changes when they do.
SELECT *
FROM {rotation_target_shape}(%(oid)s::oid, %(attnum)s::smallint);
