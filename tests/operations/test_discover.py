"""What is found of secrets, and that the commands that it prints work."""

import json
import shlex
from typing import Any

import pytest

from tests.conftest import Database
from tests.web.site import LIST, client_of, text

ROWS = 40
#: For each table: its columns, and the values of a row.
TABLES = {
    "authtoken_token": (
        "key varchar(40) PRIMARY KEY, user_id int NOT NULL UNIQUE",
        "left(encode(sha256(n::text::bytea), 'hex'), 40), n",
    ),
    "app_key": (
        "id int PRIMARY KEY, api_key text UNIQUE, key_prefix varchar(8), api_key_hash text, title text",
        "n, 'sk_live_' || md5(n::text), left('sk_live_' || md5(n::text), 8),"
        " encode(sha256(('sk_live_' || md5(n::text))::bytea), 'hex'), 'about'",
    ),
    "webhook": (
        "id int PRIMARY KEY, webhook_secret uuid, secret_data bytea, status_key text, code text",
        "n, gen_random_uuid(), 'x', 'open', md5(n::text) || 'Zz'",
    ),
    "alone": ("secret text PRIMARY KEY", "md5(n::text)"),
    "cipher": ("id int PRIMARY KEY, token text", "n, 'gAAAA' || repeat(md5(n::text), 2) || '=='"),
    "signed": ("id int PRIMARY KEY, token text", "n, 'eyJh' || md5(n::text) || '.abc'"),
    "login": ("id int PRIMARY KEY, password text", "n, 'pbkdf2_sha256$100$' || md5(n::text)"),
    "reset": ("id int PRIMARY KEY, token_digest text", "n, encode(sha512(n::text::bytea), 'hex')"),
    "short": ("id int PRIMARY KEY, otp text", "n, (100000 + n)::text"),
    "mixed": ("id int PRIMARY KEY, secret text", "n, 'a b/' || n"),
    "tariff": ("name text PRIMARY KEY", "n"),
    "refers": ("id int PRIMARY KEY, token text REFERENCES tariff", "n, n"),
    "socialaccount_socialtoken": (
        "id int PRIMARY KEY, token text, token_secret text", "n, md5('a'), ''"
    ),
    "empty": ("id int PRIMARY KEY, access_token text", ""),
}  # fmt: skip


@pytest.fixture
def filled(db: Database) -> Database:
    for name, (columns, values) in TABLES.items():
        db.sql(f"CREATE TABLE {name} ({columns})")
        if values:
            db.sql(f"INSERT INTO {name} SELECT {values} FROM generate_series(1, {ROWS}) AS n")
    db.sql("CREATE SCHEMA other; CREATE TABLE other.login (id int PRIMARY KEY, token uuid); ANALYZE")
    return db


def found(db: Database) -> dict[str, dict[str, Any]]:
    done = db.call("rotation", "discover", "--json")
    assert (done.code, done.err) == (0, "")
    return {f"{one['table']}.{one['column']}": one for one in json.loads(done.out)}


def test_what_is_found(filled: Database) -> None:
    secrets = found(filled)
    values = {name: (one["values"], one["shape"]) for name, one in secrets.items()}
    assert values == {
        "authtoken_token.key": ("plain", "40 of 0-9 a-f"),
        "app_key.api_key": ("plain", "32 of 0-9 a-f after sk_live_"),
        "webhook.webhook_secret": ("plain", "UUIDs"),
        "webhook.code": ("plain", "34 of 0-9 A-Z a-z"),
        "alone.secret": ("plain", "32 of 0-9 a-f"),
        "cipher.token": ("encrypted", None),
        "signed.token": ("signed", None),
        "login.password": ("password hash", None),
        "auth_user.password": ("none", None),
        "reset.token_digest": ("digest", "128 of 0-9 a-f"),
        "short.otp": ("plain", "6 of 0-9 a-f: less than 96 random bits"),
        "mixed.secret": ("plain", "5 to 6 characters of other kinds"),
        "socialaccount_socialtoken.token": ("plain", "32 of 0-9 a-f"),
        "socialaccount_socialtoken.token_secret": ("none", None),
        "empty.access_token": ("none", None),
        "ticket.token": ("none", None),
        "django_session.session_key": ("none", None),
        **{"login.token": ("none", None)},
    }
    whys = {name: one["why"] for name, one in secrets.items() if one["why"]}
    assert {name: why.partition(":")[0] for name, why in whys.items()} == {
        "cipher.token": "encrypted by the application",
        "signed.token": "signed by a key of the application (JSON web tokens)",
        "login.password": "hashes of passwords",
        "auth_user.password": "chosen by people",
        "socialaccount_socialtoken.token": "issued by others",
        "socialaccount_socialtoken.token_secret": "issued by others",
        "django_session.session_key": "delete the rows (DELETE FROM django_session)",
    }
    assert secrets["app_key.api_key"]["rows"] == ROWS
    assert secrets["ticket.token"]["model"] == "tickets.Ticket.token"
    assert secrets["authtoken_token.key"]["package"] == "Django REST framework"
    assert "other.login" in secrets["login.token"]["command"]


@pytest.mark.parametrize(
    "name", ["authtoken_token.key", "app_key.api_key", "webhook.webhook_secret", "webhook.code",
             "alone.secret", "reset.token_digest"],
)  # fmt: skip
def test_its_commands_work(filled: Database, name: str) -> None:
    one = found(filled)[name]
    table, column = name.split(".")
    if one["first"]:
        assert name == "alone.secret"
        filled.sql(one["first"].partition(" (which")[0])
    filled.remember(table, "ctid", column)
    words = shlex.split(one["command"])
    assert words[:2] == ["python", "manage.py"]
    done = filled.call(*words[2:])
    assert (
        done.code == (1 if name == "empty.access_token" else 0) or "revoked tokens survive" in done.out
    )
    assert not filled.unchanged(table, column)
    if name == "app_key.api_key":
        assert not filled.value(
            "SELECT count(*) FROM app_key WHERE api_key !~ '^sk_live_[0-9a-f]{32}$' OR key_prefix <>"
            " left(api_key, 8) OR api_key_hash <> encode(sha256(api_key::bytea), 'hex')"
        )


def test_for_people(filled: Database) -> None:
    done = filled.call("rotation", "discover")
    assert done.code == 0
    assert (
        "public.authtoken_token.key (Django REST framework): about 40 rows; plain, 40 of 0-9 a-f\n"
        "    python manage.py rotate_tokens_sql --table authtoken_token --column key --walk user_id"
        " --format '{hex:40}'\n" in done.out
    )
    assert 'first    ALTER TABLE "alone" ADD rotation_key bigint' in done.out
    assert "no tool: issued by others: renew it there" in done.out
    assert (
        "--also \"api_key_hash=encode(sha256(convert_to(new_token::text, 'UTF8')), 'hex')\"" in done.out
    )
    assert (
        done.out.count("then     add --format or --expression, which say what new ones look like") == 2
    )
    assert "18 columns look like a secret, by name and by up to 1000 values" in done.out


def test_no_value_is_shown(filled: Database) -> None:
    said = filled.call("rotation", "discover").out + filled.call("rotation", "discover", "--json").out
    for table, column in (("authtoken_token", "key"), ("app_key", "api_key"), ("alone", "secret"),
                          ("short", "otp"), ("login", "password"), ("mixed", "secret")):  # fmt: skip
        for (value,) in filled.sql(f"SELECT {column}::text FROM {table}"):
            assert value not in said


def test_few_values_share_no_prefix(db: Database) -> None:
    """What nineteen tokens begin with may be chance, and part of them."""
    db.sql(
        "CREATE TABLE few (id int PRIMARY KEY, token text);"
        "INSERT INTO few SELECT n, 'sk_' || md5(n::text) FROM generate_series(1, 19) AS n"
    )
    assert found(db)["few.token"]["shape"] == "35 of 0-9 A-Z a-z _ -"


def test_computed_from_almost_every_token_is_no_companion(filled: Database) -> None:
    filled.sql("UPDATE app_key SET key_prefix = 'sk_other' WHERE id = 40")
    assert list(found(filled)["app_key.api_key"]["companions"]) == ["api_key_hash"]
    filled.sql("UPDATE app_key SET api_key_hash = reverse(api_key_hash) WHERE id = 1")
    assert not found(filled)["app_key.api_key"]["companions"]


def test_role_that_may_read_little(filled: Database) -> None:
    filled.sql("REVOKE ALL ON app_key FROM CURRENT_USER; ALTER TABLE webhook ENABLE ROW LEVEL SECURITY")
    assert found(filled)["app_key.api_key"]["values"] in ("plain", "not looked at")


def test_inheritance(db: Database) -> None:
    db.sql("CREATE TABLE above (id int PRIMARY KEY, token uuid); CREATE TABLE below () INHERITS (above)")
    for name in ("above.token", "below.token"):
        one = found(db)[name]
        assert (one["first"], one["command"]) == (None, None)
        assert one["why"] == "its table takes part in table inheritance: rotate it by hand"


def test_nothing_found(db: Database) -> None:
    db.sql("DROP TABLE ticket CASCADE; DROP TABLE django_session; DROP TABLE auth_user CASCADE")
    assert "No column looks like a secret" in db.call("rotation", "discover").out


def test_offered_for_a_new_rotation(filled: Database) -> None:
    client = client_of("add_rotation", "view_rotation")
    filled.sql("UPDATE auth_user SET is_superuser = true")
    assert "What here is a secret?" in text(client, f"{LIST}add/")
    page = text(client, f"{LIST}add/?discover=1")
    assert "public.authtoken_token.key (Django REST framework)" in page
    assert "?table=webhook&amp;column=webhook_secret" in page
    assert "?table=reset&amp;column=token_digest&amp;format=%7Bhex%3A128%7D" in page
    assert "table=authtoken_token" not in page.replace("--table authtoken_token", "")
    filled_in = text(client, f"{LIST}add/?table=webhook&column=code&format=x")
    assert 'value="webhook"' in filled_in


def test_offers_only_what_may_be_seen(filled: Database) -> None:
    page = text(client_of("add_rotation", "view_rotation"), f"{LIST}add/?discover=1")
    assert "No column that you may see looks like one." in page
