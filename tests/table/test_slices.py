"""--local-tokens: each window's tokens are random within a slice, which is as large as promised."""

import re
from contextlib import closing

import pytest

from app.rotation.engine.db.statements import load
from app.rotation.engine.formats import ALPHABETS, parse_format
from app.rotation.engine.recipe import Recipe
from app.rotation.engine.table.slices import Slices, slices_of
from app.rotation.engine.table.values import names_of, new_token
from tests.conftest import WITHOUT_GUARD, Database, migrated, until
from tests.servers import make_server, running

ROWS = 60_000  # whose index has more than 256 pages, so that there are 8 slices at least


def indexed(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", ROWS)
    db.remember("ticket", "id")


@pytest.mark.parametrize(
    ("pages", "bits"), [(0, 0), (63, 0), (64, 1), (127, 1), (128, 2), (50_000, 10), (10**9, 22)]
)
def test_slices_by_the_size_of_the_index(pages: int, bits: int) -> None:
    assert slices_of(pages) == Slices(bits)
    assert Slices(bits).random_bits == 122 - bits >= 100


@pytest.mark.parametrize("bits", [1, 3, 4, 6, 8, 15, 22])
def test_tokens_of_a_slice(db: Database, bits: int) -> None:
    """They share its bits, every other bit is random, and each is a UUID of version 4 (RFC 9562)."""
    number = 20_000
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {load('localize_uuid')}::text FROM generate_series(1, {number})",
            Slices(bits).draw(),
        )
        tokens = [int(token.replace("-", ""), 16) for (token,) in cursor.fetchall()]
    assert len(set(tokens)) == number
    ones = [sum(token >> 127 - bit & 1 for token in tokens) for bit in range(128)]
    fixed = {*range(bits), 48, 49, 50, 51, 64, 65}
    assert all(ones[bit] in (0, number) for bit in fixed)
    assert [ones[bit] // number for bit in (48, 49, 50, 51, 64, 65)] == [0, 1, 0, 0, 1, 0]
    # Each is a coin tossed 20,000 times; six standard deviations are one false alarm in 10^6 runs.
    assert all(abs(ones[bit] - number / 2) < 6 * (number / 4) ** 0.5 for bit in {*range(128)} - fixed)


def test_every_slice_is_drawn() -> None:
    assert Slices().draw() == {}
    drawn = [Slices(6).draw() for _ in range(2000)]
    assert len({(one["slice"], one["digits"]) for one in drawn}) == 64


@pytest.mark.parametrize("bits", [1, 2, 5, 6, 7, 11, 12, 22])
@pytest.mark.parametrize(
    "template", ["{hex:40}", "{alnum:64}", "{base62:43}", "{urlsafe:43}", "{uuid}!"]
)
def test_tokens_of_a_format_in_a_slice(db: Database, template: str, bits: int) -> None:
    """They share their first characters, the others are of all, and each has the format."""
    form = parse_format(f"ab_{template}")
    recipe, slices = Recipe(form), Slices(bits, form)
    filled = re.sub(r"\{(\w+)\}", r"%(\1)s", new_token(recipe, True, local=True))
    names = {name: getattr(one, "value", None) for name, one in names_of(recipe, True).items()}
    drawn = slices.draw()
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {filled} FROM generate_series(1, 2000)", names | drawn)
        tokens = [token for (token,) in cursor.fetchall()]
    assert len(set(tokens)) == 2000
    assert all(re.fullmatch(form.pattern, token) for token in tokens)
    parts = [token[3 : 3 + form.length] for token in tokens]
    assert all(part.startswith(drawn["slice"]) for part in parts)
    place = len(drawn["slice"])
    if drawn["digits"]:
        assert {part[place] for part in parts} == set(drawn["digits"])
        place += 1
    if form.kind != "uuid":
        size = ALPHABETS[form.kind].size
        assert all(len({part[at] for part in parts}) == size for at in (place, form.length - 1))
    assert form.random_bits - bits - 3 <= slices.random_bits <= form.random_bits


def test_format_keeps_a_hundred_random_bits() -> None:
    for template in ("{hex:26}", "{alnum:20}", "{base62:18}", "{urlsafe:17}", "{hex:40}", "{base62:43}"):
        form = parse_format(template)
        assert slices_of(10**9, form).random_bits >= min(100, form.random_bits)
    assert slices_of(10**9, parse_format("{hex:25}")).bits == 0


@pytest.mark.parametrize("column", ["uuid", "text"], ids=["uuid", "text in capitals without hyphens"])
@pytest.mark.long
def test_windows_keep_to_their_slices(db: Database, column: str) -> None:
    indexed(db)
    if column == "text":
        db.sql(
            f"{WITHOUT_GUARD}; ALTER TABLE ticket ALTER token TYPE text"
            " USING upper(replace(token::text, '-', ''))"
        )
    plan = db.run("rotate_tokens_sql", "--local-tokens", "--dry-run")
    assert "tokens     UUIDs, spelled as the old ones: 119 of 122 random bits" in plan.out
    # One row is locked: its window is done without it.
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ticket WHERE id = 7 FOR UPDATE")
        child = db.start("rotate_tokens_sql", "--local-tokens", "--window", "5000", "--lanes", "1")
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
    assert child.wait(60) == 0
    assert db.unchanged() == 0
    windows = db.sql(
        "SELECT count(DISTINCT ('x' || left(token::text, 2))::bit(8) & B'11100000'), count(*)"
        " FROM rotation_window INNER JOIN ticket"
        " ON ticket.id <> 7 AND ticket.id BETWEEN rotation_window.lo::int AND rotation_window.hi::int"
        " WHERE rotation_window.rows > 1 GROUP BY rotation_window.id"
    )
    assert len(windows) > 10
    assert {slices for slices, _ in windows} == {1}
    if column == "text":
        assert db.value("SELECT count(*) FROM ticket WHERE token !~ '^[0-9A-F]{32}$'") == 0


def test_small_index(db: Database) -> None:
    db.tickets(100)
    done = db.run("rotate_tokens_sql", "--local-tokens")
    assert done.code == 0
    assert "note: --local-tokens: no index of public.ticket.token is so large" in done.out
    db.each_once(100)


@pytest.mark.long
def test_proposed_where_the_index_is_larger_than_memory(db: Database) -> None:
    server = make_server(db.server.binaries, shared_buffers="512kB")
    with running(server):
        mine = migrated(server)
        indexed(mine)
        plan = mine.run("rotate_tokens_sql", "--dry-run")
        assert "larger than shared_buffers (524 kB): --local-tokens needs less time" in plan.out
        assert "leaves 119 of a token's 122 random bits" in plan.out
        chosen = mine.run("rotate_tokens_sql", "--local-tokens", "--dry-run")
        assert "larger than shared_buffers" not in chosen.out
