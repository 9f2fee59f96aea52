-- Purpose: let deferred constraints and triggers speak now, not at a COMMIT that never comes.
SET CONSTRAINTS ALL IMMEDIATE;
