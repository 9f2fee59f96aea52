"""The SQL of a recipe: what fills the braces where statements write new tokens, or choose rows.

Functions of ours are schema-qualified: none of the same name elsewhere can take their place.
"""

from ..db.statements import Constant, Fragment, Name, Verbatim, load
from ..formats import TokenFormat
from ..recipe import Recipe

RANDOM_UUID = "pg_catalog.gen_random_uuid()"
#: For each kind of random part: how bytes become characters, of which some are replaced or dropped.
ENCODINGS = {
    "hex": ("hex", "", ""),
    "urlsafe": ("base64", "+/=\n", "-_"),
    "base62": ("base64", "+/=\n", ""),
    "alnum": ("base64", "+/=\nABCDEFGHIJKLMNOPQRSTUVWXYZ", ""),
}


def new_token(recipe: Recipe, is_text: bool, local: bool = False) -> str:
    """The expression of a new token; `local`: from the slice that is given by parameters."""
    form = recipe.form
    uuid = load("localize_uuid") if local else RANDOM_UUID
    if recipe.expression:
        return "(\n    {expression}\n)"  # on lines of its own: it may end with a comment
    if form and form.kind == "uuid":
        return f"{{token_prefix}} || {uuid}::text || {{token_suffix}}"
    if form:
        strong = " || ".join([load("random_bytes")] * form.blocks)
        made = load("random_text").replace("{random_bytes}", strong)
        if local:
            made = load("localize_text").replace("{random_text}", made)
        return f"{{token_prefix}} || {made} || {{token_suffix}}"
    return load("respell_token").replace(RANDOM_UUID, uuid) if is_text else uuid


def assignments(recipe: Recipe, token: str) -> Fragment:
    """What follows SET: the token alone, or with its companions, which see it as `new_token`."""
    if not recipe.companions:
        return Fragment(f"{{column}} = {token}")
    numbers = range(len(recipe.companions))
    columns = "".join(f", {{companion_{n}}}" for n in numbers)
    values = "".join(f", (\n        {{companion_sql_{n}}}\n    )" for n in numbers)
    text = load("set_companions").replace("{token}", token)
    return Fragment(text.replace("{columns}", columns).replace("{values}", values))


def names_of(recipe: Recipe, is_text: bool) -> dict[str, Name]:
    """What fills the braces in those, and in statements that choose rows.

    Empty text is no token, as NULL is none: Django's CharField(blank=True) says so of rows without one.
    """
    text = 'target.{column}::pg_catalog.text COLLATE "C"'
    any_token = f"pg_catalog.textne({text}, '')" if is_text else "true"
    filled = "target.{column} IS NOT NULL" + (f" AND {any_token}" if is_text else "")
    by_us = "target.xmin = pg_catalog.pg_current_xact_id()::xid"
    names: dict[str, Name] = {
        # So that no index fits it: by another one the planner may read much more than a window.
        "chosen": Fragment(f"{filled} AND (\n{{where}}\n) IS TRUE" if recipe.where else filled),
        "filled": Fragment(filled),
        # After the UPDATE what it wrote, as the condition may be false of new tokens.
        "written": Fragment(by_us if recipe.where else any_token),
    }
    if recipe.form:
        names |= _of_format(recipe.form)
    if recipe.expression:
        names["expression"] = Verbatim(recipe.expression)
    if recipe.where:
        names["where"] = Verbatim(recipe.where)
    for n, one in enumerate(recipe.companions):
        names[f"companion_{n}"] = (one.column,)
        names[f"companion_sql_{n}"] = Verbatim(one.sql)
    return names


def _of_format(form: TokenFormat) -> dict[str, Name]:
    """What fills the braces in random_text.sql."""
    encoding, replaced, replacing = ENCODINGS.get(form.kind, ("", "", ""))
    return {
        "token_prefix": Constant(form.prefix),
        "token_suffix": Constant(form.suffix),
        "encoding": Constant(encoding),
        "replaced": Constant(replaced),
        "replacing": Constant(replacing),
        "random_length": Constant(form.length),
    }
