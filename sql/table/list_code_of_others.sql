-- Purpose: what of others runs with the rights of this role when it reads or writes the given tables:
--          the tables themselves, their partitions, their inheritance children, those to which foreign
--          keys carry a change on, and those that rules mention, because their owners, and those of
--          their schemas, may put what they like there; and the types, functions and operators that
--          all this uses, at any remove that pg_depend knows: in triggers, constraints, indexes,
--          statistics, defaults, policies and rules, in types and operator classes. Their owners may
--          replace them, or what belongs to them. What a function's text calls, PostgreSQL does not
--          know; event triggers are not looked at.
-- Parameters: oids (of the tables); state_schema (of the rotation's state); lent (a table by oid, to
--             whose owner and whose schema's owner the rights are lent anyway; NULL for none).
-- Columns: oid (one of the tables), what (for people), owner. Superusers, this role and those who may
--          become it are no others: they have its rights anyway. Nor is the owner of the state.
WITH RECURSIVE used AS (
    SELECT given.oid::oid AS root, 'pg_catalog.pg_class'::regclass::oid AS catalog, given.oid::oid AS oid
    FROM pg_catalog.unnest(%(oids)s::bigint[]) AS given (oid)

    UNION

    SELECT used.root, next.catalog, next.oid
    FROM used
    CROSS JOIN LATERAL (
        -- What it needs: no other tables, but for those that its rules, functions and types mention.
        SELECT needed.refclassid AS catalog, needed.refobjid AS oid
        FROM pg_catalog.pg_depend AS needed
        WHERE needed.classid = used.catalog
            AND needed.objid = used.oid
            AND (
                needed.refclassid IN (
                    'pg_catalog.pg_type'::regclass,
                    'pg_catalog.pg_proc'::regclass,
                    'pg_catalog.pg_operator'::regclass,
                    'pg_catalog.pg_opclass'::regclass,
                    'pg_catalog.pg_opfamily'::regclass
                )
                OR (
                    needed.refclassid = 'pg_catalog.pg_class'::regclass
                    AND used.catalog IN (
                        'pg_catalog.pg_rewrite'::regclass,
                        'pg_catalog.pg_proc'::regclass,
                        'pg_catalog.pg_type'::regclass
                    )
                )
            )

        UNION ALL

        -- What belongs to it: a table's indexes, constraints, triggers, rules, defaults, policies and
        -- statistics, a domain's constraints, an operator class's functions; and a type's operator
        -- classes and casts, which comparisons of rows and foreign keys find by themselves.
        SELECT belonging.classid, belonging.objid
        FROM pg_catalog.pg_depend AS belonging
        WHERE belonging.refclassid = used.catalog
            AND belonging.refobjid = used.oid
            AND (
                belonging.deptype IN ('a', 'i')
                OR (
                    belonging.refclassid = 'pg_catalog.pg_type'::regclass
                    AND belonging.classid IN (
                        'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_cast'::regclass
                    )
                )
            )
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS trigger_
                WHERE belonging.classid = 'pg_catalog.pg_trigger'::regclass
                    AND trigger_.oid = belonging.objid
                    AND trigger_.tgenabled = 'D'
            )

        UNION ALL

        -- A condition that says NOT is planned with the other operator.
        SELECT used.catalog, other.oid
        FROM pg_catalog.pg_operator AS operator
        CROSS JOIN LATERAL (VALUES (operator.oprnegate), (operator.oprcom)) AS other (oid)
        WHERE used.catalog = 'pg_catalog.pg_operator'::regclass
            AND operator.oid = used.oid
            AND other.oid <> 0::oid

        UNION ALL

        SELECT used.catalog, child.inhrelid
        FROM pg_catalog.pg_inherits AS child
        WHERE used.catalog = 'pg_catalog.pg_class'::regclass AND child.inhparent = used.oid

        UNION ALL

        -- Before PostgreSQL 18, the triggers there run as who changed the key. There is no index by
        -- the table that a foreign key refers to, but for its triggers.
        SELECT used.catalog, carrying.conrelid
        FROM pg_catalog.pg_trigger AS acting
        INNER JOIN pg_catalog.pg_constraint AS carrying ON carrying.oid = acting.tgconstraint
        WHERE used.catalog = 'pg_catalog.pg_class'::regclass
            AND acting.tgrelid = used.oid
            AND carrying.confrelid = used.oid
            AND carrying.confupdtype IN ('c', 'n', 'd')
    ) AS next
),

part AS (
    SELECT used.root, relation.oid, relation.relowner, relation.relnamespace
    FROM used
    INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = used.oid
    WHERE used.catalog = 'pg_catalog.pg_class'::regclass
        AND relation.relkind IN ('r', 'p', 'f', 'v', 'm')
),

owned AS (
    SELECT part.root, 'table ' || part.oid::regclass::text AS what, part.relowner AS owner FROM part

    UNION ALL

    SELECT
        part.root,
        'schema ' || namespace.oid::regnamespace::text,
        -- Schema public belongs to the database's owner, through a role of that name.
        CASE
            WHEN pg_catalog.pg_get_userbyid(namespace.nspowner) = 'pg_database_owner'
                THEN (
                    SELECT database.datdba
                    FROM pg_catalog.pg_database AS database
                    WHERE database.datname = pg_catalog.current_database()
                )
            ELSE namespace.nspowner
        END
    FROM part
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace

    UNION ALL

    -- Not of arrays, and of rows of a table: they belong to what they are of.
    SELECT used.root, 'type ' || type.oid::regtype::text, type.typowner
    FROM used
    INNER JOIN pg_catalog.pg_type AS type ON type.oid = used.oid
    WHERE used.catalog = 'pg_catalog.pg_type'::regclass
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS internal
            WHERE internal.classid = used.catalog
                AND internal.objid = used.oid
                AND internal.deptype = 'i'
        )

    UNION ALL

    SELECT used.root, 'function ' || function.oid::regprocedure::text, function.proowner
    FROM used
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = used.oid
    WHERE used.catalog = 'pg_catalog.pg_proc'::regclass
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS internal
            WHERE internal.classid = used.catalog
                AND internal.objid = used.oid
                AND internal.deptype = 'i'
        )

    UNION ALL

    SELECT used.root, 'operator ' || operator.oid::regoperator::text, operator.oprowner
    FROM used
    INNER JOIN pg_catalog.pg_operator AS operator ON operator.oid = used.oid
    WHERE used.catalog = 'pg_catalog.pg_operator'::regclass
)

SELECT DISTINCT owned.root::bigint AS oid, owned.what, owner.rolname::text AS owner
FROM owned
INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = owned.owner
WHERE NOT owner.rolsuper
    AND NOT pg_catalog.pg_has_role(
        owner.oid,
        current_user,
        -- From PostgreSQL 16 on, not every member may become the role.
        CASE
            WHEN pg_catalog.current_setting('server_version_num')::int >= 160000
                THEN 'SET, MEMBER WITH ADMIN OPTION'
            ELSE 'MEMBER'
        END
    )
    AND owner.oid NOT IN (
        SELECT rotation.relowner
        FROM pg_catalog.pg_class AS rotation
        INNER JOIN pg_catalog.pg_namespace AS state ON state.oid = rotation.relnamespace
        WHERE rotation.relname = 'rotation' AND state.nspname::text = %(state_schema)s
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS target
        INNER JOIN pg_catalog.pg_namespace AS home ON home.oid = target.relnamespace
        INNER JOIN pg_catalog.pg_database AS database
            ON database.datname = pg_catalog.current_database()
        WHERE target.oid = %(lent)s::oid
            AND owner.oid IN (
                target.relowner,
                home.nspowner,
                CASE
                    WHEN pg_catalog.pg_get_userbyid(home.nspowner) = 'pg_database_owner'
                        THEN database.datdba
                END
            )
    )
ORDER BY 1, owned.what;
