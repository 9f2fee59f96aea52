-- Purpose: until the transaction ends, plan as PostgreSQL does by default, whatever the role has
--          switched off or thinks is dear: without an index a window would read the whole table,
--          without a hash or a sort the proof would compare each row with each. Precedes what opens it.
-- Parameters: none.
-- Columns: none.
SET LOCAL jit TO off;
SET LOCAL enable_seqscan TO on;
SET LOCAL enable_indexscan TO on;
SET LOCAL enable_indexonlyscan TO on;
SET LOCAL enable_bitmapscan TO on;
SET LOCAL enable_hashjoin TO on;
SET LOCAL enable_mergejoin TO on;
SET LOCAL enable_nestloop TO on;
SET LOCAL enable_hashagg TO on;
SET LOCAL enable_sort TO on;
SET LOCAL enable_material TO on;
SET LOCAL enable_partition_pruning TO on;
SET LOCAL seq_page_cost TO 1;
SET LOCAL random_page_cost TO 4;
SET LOCAL cpu_tuple_cost TO 0.01;
SET LOCAL cpu_index_tuple_cost TO 0.005;
SET LOCAL cpu_operator_cost TO 0.0025;
