-- Purpose: forget what remember_tokens.sql has remembered.
DROP TABLE IF EXISTS demo_before;
