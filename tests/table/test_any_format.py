"""Tokens of formats by chance: made by the server, they are of the format, and no two are equal."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rotation.engine.formats import ALPHABETS, parse_format
from app.rotation.engine.recipe import Recipe
from app.rotation.engine.table.values import names_of, new_token
from tests.conftest import Database

MADE = 20  # tokens of each
FIXED = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="{}"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FIXED, st.sampled_from(list(ALPHABETS)), st.integers(24, 250), FIXED)
def test_of_any_format(db: Database, prefix: str, kind: str, length: int, suffix: str) -> None:
    form = parse_format(f"{prefix}{{{kind}:{length}}}{suffix}")
    names = names_of(Recipe(form), True)
    filled = re.sub(r"\{(\w+)\}", r"%(\1)s", new_token(Recipe(form), is_text=True))
    values = {name: getattr(names[name], "value", None) for name in re.findall(r"%\((\w+)\)s", filled)}
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {filled} FROM generate_series(1, {MADE})", values)
        tokens = [token for (token,) in cursor.fetchall()]
    assert all(re.fullmatch(form.pattern, token) and len(token) == form.size for token in tokens)
    assert len(set(tokens)) == MADE
