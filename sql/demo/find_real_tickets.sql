-- Purpose: whether there are tickets that generate_tickets.sql has not made.
-- Columns: real (true or false).
SELECT EXISTS (
    SELECT FROM ticket WHERE title IS DISTINCT FROM 'Ticket ' || id
) AS real;
