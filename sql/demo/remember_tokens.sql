-- Purpose: remember the token of every sample ticket, for count_unchanged.sql.
CREATE TABLE demo_before AS SELECT token FROM ticket;
