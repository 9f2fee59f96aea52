"""What of somebody else runs when a table is used: how it is made and used, and what is said."""

F = (
    "CREATE FUNCTION mine.f(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
    " 'BEGIN RETURN true; END';"
)
COMPARE = (
    "CREATE FUNCTION mine.compare(bigint, bigint) RETURNS int LANGUAGE sql IMMUTABLE"
    " AS 'SELECT pg_catalog.btint8cmp($1, $2)'"
)
#: What belongs to somebody else, how it comes to be used, and what is said of it.
LENT = {
    "table": ("", "ALTER TABLE account OWNER TO {role}", "table account"),
    "partition": ("", "ALTER TABLE high OWNER TO {role}", "table high"),
    "trigger": (
        "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER t BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION mine.t()",
        "function mine.t()",
    ),
    "trigger of a partition": (
        "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER t AFTER UPDATE ON high FOR EACH ROW EXECUTE FUNCTION mine.t()",
        "function mine.t()",
    ),
    "condition of a trigger": (
        F + "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "ALTER FUNCTION mine.t() OWNER TO postgres; CREATE TRIGGER t BEFORE UPDATE ON account"
        " FOR EACH ROW WHEN (mine.f(NEW.id)) EXECUTE FUNCTION mine.t()",
        "function mine.f(bigint)",
    ),
    "index": (F, "CREATE INDEX ON account (mine.f(id))", "function mine.f(bigint)"),
    "predicate": (F, "CREATE INDEX ON high (id) WHERE mine.f(id)", "function mine.f(bigint)"),
    "check": (F, "ALTER TABLE account ADD CHECK (mine.f(id))", "function mine.f(bigint)"),
    "operator": (
        F + "CREATE FUNCTION mine.less(bigint, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE OPERATOR mine.<<< (FUNCTION = mine.less, LEFTARG = bigint, RIGHTARG = text)",
        "ALTER OPERATOR mine.<<< (bigint, text) OWNER TO postgres;"
        "ALTER TABLE account ADD CHECK (id OPERATOR(mine.<<<) note)",
        "function mine.less(bigint,text)",
    ),
    "generated column": (
        F,
        "ALTER TABLE account ADD g boolean GENERATED ALWAYS AS (mine.f(id)) STORED",
        "function mine.f(bigint)",
    ),
    "statistics": (F, "CREATE STATISTICS s ON mine.f(id), note FROM high", "function mine.f(bigint)"),
    "domain": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ALTER note TYPE mine.d",
        "type mine.d",
    ),
    "check of a domain": (
        F,
        "CREATE DOMAIN d AS bigint CHECK (mine.f(VALUE)); ALTER TABLE account ADD n d",
        "function mine.f(bigint)",
    ),
    "array of a domain": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ADD notes mine.d[]",
        "type mine.d",
    ),
    "domain in a check": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ADD CHECK ((note::mine.d) IS NOT NULL)",
        "type mine.d",
    ),
    "domain in a generated column": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ADD g text GENERATED ALWAYS AS ((note::mine.d)::text) STORED",
        "type mine.d",
    ),
    "domain in a condition of a trigger": (
        "CREATE DOMAIN mine.d AS text",
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER t BEFORE UPDATE ON account FOR EACH ROW"
        " WHEN ((NEW.note::mine.d) IS NOT NULL) EXECUTE FUNCTION t()",
        "type mine.d",
    ),
    "domain in an index": (
        "CREATE DOMAIN mine.d AS text",
        "CREATE INDEX ON account (((note::mine.d)::text))",
        "type mine.d",
    ),
    "domain in a default": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ALTER note SET DEFAULT ('x'::text)::mine.d",
        "type mine.d",
    ),
    "check of a domain in a check": (
        F,
        "CREATE DOMAIN d AS bigint CHECK (mine.f(VALUE));"
        "ALTER TABLE account ADD CHECK ((id::d) IS NOT NULL)",
        "function mine.f(bigint)",
    ),
    "composite type": (
        "CREATE DOMAIN mine.d AS text",
        "CREATE TYPE c AS (a int, b mine.d);ALTER TABLE account ADD CHECK ((note::c) IS NULL) NOT VALID",
        "type mine.d",
    ),
    "row of another table": (
        "CREATE DOMAIN mine.d AS text",
        "CREATE TABLE other (b mine.d); ALTER TABLE account ADD o other[]",
        "type mine.d",
    ),
    "distance in a range": (
        "CREATE FUNCTION mine.far(bigint, bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0'",
        "CREATE TYPE r AS RANGE (subtype = bigint, subtype_diff = mine.far);ALTER TABLE account ADD r r",
        "function mine.far(bigint,bigint)",
    ),
    "what is in a range": (
        "CREATE DOMAIN mine.d AS bigint",
        "CREATE TYPE r AS RANGE (subtype = mine.d); ALTER TABLE account ADD r r[]",
        "type mine.d",
    ),
    "operator class of an index": (
        COMPARE,
        "CREATE OPERATOR CLASS o FOR TYPE bigint USING btree AS"
        " OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
        " FUNCTION 1 mine.compare(bigint, bigint); CREATE INDEX ON high (id o)",
        "function mine.compare(bigint,bigint)",
    ),
    "operator class of a partition key": (
        COMPARE,
        "CREATE OPERATOR CLASS o FOR TYPE bigint USING btree AS"
        " OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
        " FUNCTION 1 mine.compare(bigint, bigint); CREATE TABLE top PARTITION OF account"
        " FOR VALUES FROM (2000) TO (3000) PARTITION BY RANGE (id o)",
        "function mine.compare(bigint,bigint)",
    ),
    "operator class by which rows compare": (
        "CREATE FUNCTION mine.same(public.e, public.e) RETURNS boolean LANGUAGE sql IMMUTABLE"
        " AS 'SELECT true'; CREATE FUNCTION mine.compare(public.e, public.e) RETURNS int"
        " LANGUAGE sql IMMUTABLE AS 'SELECT 0'",
        "CREATE OPERATOR === (FUNCTION = mine.same, LEFTARG = e, RIGHTARG = e);"
        "CREATE OPERATOR CLASS o DEFAULT FOR TYPE e USING btree AS OPERATOR 3 ===,"
        " FUNCTION 1 mine.compare(e, e); ALTER TABLE account ADD e e",
        "function mine.compare(e,e)",
    ),
    "what stands for NOT": (
        "CREATE FUNCTION mine.no(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE"
        " AS 'SELECT false'",
        "CREATE FUNCTION yes(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';"
        "CREATE OPERATOR === (FUNCTION = yes, LEFTARG = bigint, RIGHTARG = bigint);"
        "CREATE OPERATOR !=== (FUNCTION = mine.no, LEFTARG = bigint, RIGHTARG = bigint, NEGATOR = ===);"
        "ALTER TABLE account ADD CHECK (NOT id === 1) NOT VALID",
        "function mine.no(bigint,bigint)",
    ),
    "operator itself": (
        F + "CREATE FUNCTION mine.same(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE"
        " AS 'SELECT true';"
        "CREATE OPERATOR mine.=== (FUNCTION = mine.same, LEFTARG = bigint, RIGHTARG = bigint)",
        "ALTER FUNCTION mine.same(bigint, bigint) OWNER TO postgres;"
        "ALTER TABLE account ADD CHECK (id OPERATOR(mine.===) 1) NOT VALID",
        "operator mine.===(bigint,bigint)",
    ),
    "what a parsed function calls": (
        F,
        "CREATE FUNCTION whole(n bigint) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN mine.f(n);"
        "ALTER TABLE account ADD CHECK (whole(id))",
        "function mine.f(bigint)",
    ),
    "cast of a column": (
        "CREATE FUNCTION mine.cast_(public.e) RETURNS bigint LANGUAGE sql IMMUTABLE"
        " AS 'SELECT 1::bigint'",
        "CREATE CAST (e AS bigint) WITH FUNCTION mine.cast_(e) AS IMPLICIT;ALTER TABLE account ADD e e",
        "function mine.cast_(e)",
    ),
    "rule": (
        F,
        "CREATE TABLE log (ok boolean);"
        "CREATE RULE r AS ON INSERT TO account DO ALSO INSERT INTO log VALUES (mine.f(NEW.id))",
        "function mine.f(bigint)",
    ),
    "table that a rule writes to": (
        "CREATE TABLE mine.log (id bigint)",
        "CREATE RULE r AS ON INSERT TO account DO ALSO INSERT INTO mine.log VALUES (NEW.id)",
        "table mine.log",
    ),
    "policy": (
        F,
        "CREATE POLICY p ON account USING (mine.f(id)); ALTER TABLE account ENABLE ROW LEVEL SECURITY",
        "function mine.f(bigint)",
    ),
}

#: What a cascade runs in the table that it updates, and what is said of it.
BEHIND = {
    "rule": (
        "CREATE TABLE log (ok boolean); CREATE RULE r AS ON UPDATE TO child"
        " DO ALSO INSERT INTO log VALUES (mine.f(NEW.id))",
        "function mine.f(bigint)",
    ),
    "table that a rule updates": (
        "CREATE RULE r AS ON UPDATE TO child DO ALSO UPDATE mine.log SET id = NEW.id",
        "table mine.log",
    ),
    "check": ("ALTER TABLE child ADD CHECK (mine.f(id)) NOT VALID", "function mine.f(bigint)"),
    "trigger of a partition": (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER t AFTER UPDATE ON part FOR EACH ROW WHEN (mine.f(NEW.id)) EXECUTE FUNCTION t()",
        "function mine.f(bigint)",
    ),
    "trigger of a grandchild": (
        "ALTER TABLE child ADD UNIQUE (key, id); CREATE TABLE grand (key uuid, id bigint,"
        " FOREIGN KEY (key, id) REFERENCES child (key, id) ON UPDATE SET NULL);"
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER t AFTER UPDATE ON grand FOR EACH ROW WHEN (mine.f(OLD.id)) EXECUTE FUNCTION t()",
        "function mine.f(bigint)",
    ),
}
