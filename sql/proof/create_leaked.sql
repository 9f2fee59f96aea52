-- Purpose: a table of this transaction's own for a list of leaked tokens.
CREATE TEMPORARY TABLE leaked_token (token uuid NOT NULL) ON COMMIT DROP;
