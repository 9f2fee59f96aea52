"""What the preflight finds about a target: what would go wrong, or be left behind, and what to do."""

from collections.abc import Iterator

from ..db.session import Row, Session
from ..events import NOTE, REFUSE, WARN, Found, FoundElsewhere
from ..formats import UUID_BITS, TokenFormat
from ..options import Options
from ..proof import guard
from ..table.owners import code_of_others
from ..table.slices import slices_of
from ..table.target import Target
from ..table.windows import find_window
from ..text import count, one_line, shown, size
from . import indexes, own_sql, sampling
from .replication import of_replication
from .secrets import sampled
from .surroundings import of_limits, of_server

SAMPLE = 1000  # rows whose text is checked before the run starts
#: What a foreign key's ON UPDATE does to the rows that refer to a token (pg_constraint.confupdtype).
ON_UPDATE = {
    "a": "NO ACTION: every window with a referenced token would fail",
    "r": "RESTRICT: every window with a referenced token would fail",
    "c": "CASCADE: each window also rewrites the rows that refer to its tokens",
    "n": "SET NULL: the rows that refer to a token lose the reference",
    "d": "SET DEFAULT: the rows that refer to a token get the default instead",
}


def find_all(
    session: Session,
    target: Target,
    options: Options,
    amcheck_seconds: float = indexes.AMCHECK_SECONDS,
) -> list[Found]:
    """Check everything around the target that matters, without writing; refusals come first.

    `amcheck_seconds` is how long amcheck may take, if installed. See indexes.by_amcheck for errors.
    """
    with session.reading():
        table = session.row("describe_table", oid=target.oid, attnum=target.attnum)
        columns = session.row("list_token_columns", oid=target.oid, attnum=target.attnum)
        findings = [
            *indexes.of_catalog(session, target),
            *_of_table(table, target),
            *_of_owners(session, target),
            *_of_texts(session, target),
            *_of_references(session, columns, target, target.label, options),
            *_of_companions(session, target, options),
            *_of_triggers(session, target, options),
            *_of_indexes(session, columns),
            *_of_slices(session, target, options),
            *of_replication(session, table, target),
            *_of_copies(session, columns),
            *_of_guard(session, table, target, options),
            *of_server(session, table, target, options),
            *target.placement.findings(f"{target.schema}.{target.table}", options),
        ]
    if target.recipe.form:
        findings += _of_format(session, target, target.recipe.form)
    findings += own_sql.findings(session, target)
    findings += [*of_limits(session, options), *sampling.findings(session, target)]
    if not any(finding.level == REFUSE for finding in findings):
        # It takes long: not worth waiting for if the run is refused anyway.
        findings += indexes.by_amcheck(session, target, amcheck_seconds)
    order = [REFUSE, WARN, NOTE]
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _of_table(table: Row, target: Target) -> Iterator[Found]:
    if table["in_partition_key"]:
        yield Found(
            REFUSE,
            f"{target.label} is part of the partition key: a new token would move the row to another"
            " partition; rotate it by hand",
        )
    if table["update_rules"]:
        yield Found(
            REFUSE,
            f"the rule {table['update_rules']} rewrites every UPDATE of {target.schema}.{target.table}:"
            " drop it, or turn it into a trigger",
        )
    if table["row_security"]:
        yield Found(
            NOTE,
            f"row-level security of {target.schema}.{target.table} does not apply to this role;"
            " if it ever did, the run would fail and not skip rows",
        )
    if table["unlogged"]:
        yield Found(NOTE, f"{target.schema}.{target.table} is unlogged: a server crash empties it")


def _of_owners(session: Session, target: Target) -> Iterator[Found]:
    if others := code_of_others(session, [target.oid], session.state_schema).get(target.oid):
        yield Found(
            NOTE,
            f"this role lends its rights to the owners of what {target.schema}.{target.table} uses:"
            f" {others}; to lend none, run as the table's owner",
        )


def _of_texts(session: Session, target: Target) -> Iterator[Found]:
    if not target.is_text:
        return
    if target.any_text:
        return
    whole = session.rows("draw_lanes", cuts=[])
    first = find_window(session, **whole[0], last_id=None, size=SAMPLE) if whole else None
    misfits = session.rows("find_non_uuid", lo=first.lo, hi=first.hi) if first else []
    if misfits:
        yield Found(
            REFUSE,
            f"{target.label} of the row with {target.pk} {shown(misfits[0]['key'])} is not a UUID of 32"
            " or 36 characters in one case: if its tokens are no UUIDs, python manage.py rotation"
            " discover prints the command for them (--format says what new ones look like); else name"
            " another --column, or fix that row",
        )
    else:
        yield Found(
            NOTE,
            f"{target.label} is of type {target.column_type}: each new token is spelled like the old"
            " one (hyphens, capitals); text that is not a UUID ends the snapshot, with nothing replaced",
        )


def _of_format(session: Session, target: Target, form: TokenFormat) -> Iterator[Found]:
    """How some of the present tokens differ from what the new ones will look like."""
    yield Found(
        NOTE, f"each new token of {target.label} is {form.template}, with {form.random_bits} random bits"
    )
    its = {"size": form.size, "prefix": form.prefix, "suffix": form.suffix}
    found = sampled(session, "compare_formats", pattern=f"^{form.pattern}$", **its)
    if not found or not found["different"]:
        return
    ways = {
        "otherwise_long": f"are not {form.size} characters long",
        "otherwise_begun": f"don't begin with {form.prefix}",
        "otherwise_ended": f"don't end with {form.suffix}",
    }
    told = [f"{found[name]} {text}" for name, text in ways.items() if found[name]]
    told = told or [f"{found['different']} have other characters"]
    yield Found(
        WARN,
        f"of {count(found['tokens'], 'present token')} looked at, {', '.join(told)}: check that the"
        f" application accepts {form.template}",
    )


def _of_companions(session: Session, target: Target, options: Options) -> Iterator[Found]:
    """The foreign keys to what is set with the token; one of its own only says what it may hold."""
    known = {row["name"]: row["attnum"] for row in session.rows("list_columns", oid=target.oid)}
    for one in target.recipe.companions:
        columns = session.row("list_token_columns", oid=target.oid, attnum=known[one.column])
        label = one_line(f"{target.schema}.{target.table}.{one.column}")
        yield from _of_references(session, columns, target, label, options, outgoing=False)


def _of_references(
    session: Session,
    columns: Row,
    target: Target,
    label: str,
    options: Options,
    outgoing: bool = True,
) -> Iterator[Found]:
    """The foreign keys that a new value of a column would touch; `outgoing`: its own, too."""
    for key in session.rows("list_references", **columns):
        if key["outgoing"] and not outgoing:
            continue
        if key["outgoing"]:
            yield FoundElsewhere(
                REFUSE,
                f"{one_line(key['carried'] or label)} itself refers to {key['table']}"
                f" ({key['name']}): rotate the column there",
            )
            continue
        refers_to = label
        if key["carried"]:
            refers_to = f"{one_line(key['carried'])}, which follows {label}"
        text = f"foreign key {key['name']} of {key['table']} refers to {refers_to}"
        if not key["acts"]:
            yield FoundElsewhere(
                WARN,
                f"{text}, but does not act (NOT ENFORCED, or its triggers are disabled): rows that refer"
                " to a token keep the old one; update them together, and afterwards run"
                f" {target.search}",
            )
            continue
        text += f", ON UPDATE {ON_UPDATE[key['on_update']]}"
        if key["on_update"] in "ar":
            yield FoundElsewhere(
                REFUSE, f"{text}; make it ON UPDATE CASCADE, or drop it for the rotation"
            )
        elif options.allow_fk:
            yield FoundElsewhere(WARN, f"{text} (--allow-fk){_of_its_triggers(key, target)}")
        else:
            yield FoundElsewhere(
                REFUSE, f"{text}{_of_its_triggers(key, target)}; if you want that, add --allow-fk"
            )


def _of_its_triggers(key: Row, target: Target) -> str:
    if not key["triggers"]:
        return ""
    return (
        f"; the triggers of {key['table']} ({key['triggers']}) may keep old tokens there, or"
        f" copy them elsewhere: check them, and afterwards run {target.search}"
    )


def _of_triggers(session: Session, target: Target, options: Options) -> Iterator[Found]:
    companions = [one.column for one in target.recipe.companions]
    its = {"oid": target.oid, "attnum": target.attnum, "companions": companions}
    for trigger in session.rows("list_triggers", **its):
        if trigger["is_guard"]:
            continue
        name = f"trigger {trigger['name']} ({trigger['function']})"
        table = f"{target.schema}.{target.table}"
        if not trigger["fires"]:
            text = f"{name} on {table} does not fire for the rotation's UPDATE"
            kept = f", and may have kept old tokens; afterwards run {target.search}"
            yield Found(NOTE, text + kept * trigger["may_copy"])
        elif not trigger["may_copy"]:
            yield Found(
                WARN,
                f"{name} on {table} runs for every {trigger['each']}, and slows the rotation",
            )
        elif options.ack_triggers:
            text = f"{name} on {table} may keep copies of old tokens (--ack-triggers)"
            yield Found(WARN, f"{text}; afterwards run {target.search}")
        else:
            yield Found(
                REFUSE,
                f"{name} on {table} runs for every {trigger['each']} and may copy old tokens elsewhere:"
                " check it, delete or rotate what it copied, then add --ack-triggers",
            )


def _of_indexes(session: Session, columns: Row) -> Iterator[Found]:
    for index in session.rows("list_token_indexes", **columns):
        if index["computed"] and index["is_unique"]:
            yield Found(
                WARN,
                f"unique index {index['name']} is on an expression of the token: if two new tokens agree"
                " in it, a window fails, and PostgreSQL's log quotes the expression's value",
            )
        elif index["computed"]:
            yield Found(NOTE, f"index {index['name']} is computed from the token, and kept up to date")


def _of_slices(session: Session, target: Target, options: Options) -> Iterator[Found]:
    if options.local_tokens:
        if not target.slices.bits:
            text = f"--local-tokens: no index of {target.label} is so large that it would help"
            yield Found(NOTE, text)
        return
    index = session.row("measure_token_index", oid=target.oid, column=target.column)
    form = target.recipe.form
    if target.recipe.expression:
        return
    if index["bytes"] > index["shared_buffers"]:
        yield Found(
            NOTE,
            f"the token's index ({size(index['bytes'])}) is larger than shared_buffers"
            f" ({size(index['shared_buffers'])}): --local-tokens needs less time and WAL, and leaves"
            f" {slices_of(index['pages'], form).random_bits} of a token's"
            f" {form.random_bits if form else UUID_BITS} random bits",
        )


def _of_copies(session: Session, columns: Row) -> Iterator[Found]:
    for copy in session.rows("list_materialized_views", **columns):
        yield FoundElsewhere(
            WARN,
            f"materialized view {copy['name']} keeps copies of old tokens:"
            " REFRESH MATERIALIZED VIEW afterwards",
        )


def _of_guard(session: Session, table: Row, target: Target, options: Options) -> Iterator[Found]:
    if not options.guard:
        yield Found(
            WARN,
            "no guard (--no-guard): a stale save() can write an old token back,"
            " even after the verification",
        )
    elif not target.placement.takes_guard:
        return  # its placement refuses the guard
    elif not guard.stands(guard.find_guard(session, target)):
        if table["may_install"]:
            yield Found(NOTE, f"a guard will be installed on {target.schema}.{target.table}")
        else:
            yield Found(
                REFUSE,
                f"this role does not own {target.schema}.{target.table}, so it may not install the guard"
                " that keeps old tokens from being written back: run as its owner, or with --no-guard",
            )
