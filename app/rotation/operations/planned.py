"""What a run would do, fact by fact: the same in a dry run and on the page of a plan."""

from ..engine.formats import UUID_BITS
from ..engine.table.plan import Plan
from ..engine.text import one_line, shown, size


def rows_of(plan: Plan) -> str:
    """How many rows there are, and how many of them have a token."""
    its = plan.size
    about = "" if its.exact else "about "
    if its.keys is None:
        return "unknown: ANALYZE the table for an estimate"
    return f"{about}{its.keys:,}; with a token: {about}{its.tokens:,}"


def tokens_of(plan: Plan) -> str:
    """What new tokens are, and how many of their bits are random."""
    recipe = plan.target.recipe
    if recipe.expression:
        return f"by the operator's own SQL: {one_line(recipe.expression)}"
    tokens = recipe.form.template if recipe.form else "UUIDs, spelled as the old ones"
    whole = recipe.form.random_bits if recipe.form else UUID_BITS
    left = plan.target.slices.random_bits if plan.target.slices.bits else whole
    return (
        f"{tokens}: {left} random bits" if left == whole else f"{tokens}: {left} of {whole} random bits"
    )


def windows_of(plan: Plan) -> str:
    """How large windows are."""
    rows = f"{plan.window_size:,} {'row' if plan.window_size == 1 else 'rows'}"
    sized = "at most" if plan.options.window else "sized while running; shown here with"
    return f"one transaction each, {sized} {rows}"


def rest_of(plan: Plan) -> str:
    """The windows after those that are shown."""
    about = f"about {-(-plan.size.keys // plan.window_size):,}" if plan.size.keys else "more"
    return f"up to {shown(plan.lanes[-1].upper)}; {about} in total; --dry-run -v 2 lists them"


def costs_of(plan: Plan) -> dict[str, str]:
    """What rewriting the rows takes of the server."""
    costs = {}
    if plan.size.wal_bytes:
        least, most = plan.size.wal_bytes
        costs["WAL"] = f"about {size(least)}, at most {size(most)} with full-page images"
    return costs | {"Disk": f"grows by at most {size(plan.size.growth_bytes)} until the next vacuum"}
