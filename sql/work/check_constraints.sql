-- Purpose: run deferred constraints and triggers now, not at a COMMIT that never comes.
SET CONSTRAINTS ALL IMMEDIATE;
