"""What the environment says. A mistake is told in one line that names its variable, never a password."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import dj_database_url
import psycopg2
from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import make_dsn

VARIABLE = "DATABASE_URL"
EXPECTED = (
    "write postgres://user:password@host:5432/dbname, with other characters than letters and digits in"
    " the password as %XX"
)
SCHEMES = ("postgres", "postgresql", "pgsql")
#: What dj_database_url makes of an option that libpq does not know.
OUR_OPTIONS = {"currentSchema"}
#: What no password can hold, and what nothing else should: bytes that are no text, control characters.
NO_TEXT = "\0\ud800-\udfff"
CONTROLS = NO_TEXT + "\x01-\x1f\x7f-\x9f"
EMBEDDED = {"ENGINE": "app.localpg", "NAME": "app"}


class Secret(str):
    """A text that no representation shows, e.g. that of manage.py diffsettings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


def read_databases(environment: Mapping[str, str]) -> dict[str, Any]:
    """Django's DATABASES: of DATABASE_URL, else the embedded server; and of each DATABASE_URL_NAME.

    Raises ImproperlyConfigured for what can't be used.
    """
    found = {
        "default": read_url(VARIABLE, environment[VARIABLE]) if VARIABLE in environment else EMBEDDED
    }
    named: dict[str, str] = {}
    for variable, url in environment.items():
        if not variable.startswith(f"{VARIABLE}_"):
            continue
        name = variable.removeprefix(f"{VARIABLE}_").lower()
        if name in ("", "default"):
            raise ImproperlyConfigured(
                f"{variable}: the default database is {VARIABLE}; unset {variable}"
            )
        if name in named:
            raise ImproperlyConfigured(f"{variable}: {named[name]} names the same database; unset one")
        named[name] = variable
        found[name] = read_url(variable, url)
    return found


def read_url(variable: str, url: str) -> dict[str, Any]:
    """One database of Django's settings. Raises ImproperlyConfigured, with the variable and the part."""
    for mistake in find_mistakes(url):
        raise ImproperlyConfigured(f"{variable} can't be used: {mistake}")
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:  # its message would show the password
        raise ImproperlyConfigured(f"{variable} can't be read: {EXPECTED}") from None
    parts = urlsplit(url)
    # As libpq reads them: a password may consist of digits, and have a plus sign.
    texts = {name: unquote(one) for name, _, one in (p.partition("=") for p in parts.query.split("&"))}
    given: dict[str, Any] = found.get("OPTIONS") or {}
    read = {name: texts.get(name, one) for name, one in given.items()}
    options = {name: Secret(one) if "password" in name else one for name, one in read.items()}
    host = parts.netloc.rpartition("@")[2].partition(":")[0]
    if host.lower().startswith("%2f"):  # a folder, whose capitals matter
        found["HOST"] = unquote(host)
    return found | {"PASSWORD": Secret(found.get("PASSWORD") or ""), "OPTIONS": options}


def find_mistakes(url: str) -> Iterator[str]:
    """What is wrong with a URL, the worst first; never a part that may be a password."""
    if not url.strip():
        yield f"it is empty; unset it to use the embedded PostgreSQL, or {EXPECTED}"
    try:
        parts = urlsplit(url)
        _ = parts.hostname  # may raise
    except ValueError:
        yield f"it is no URL; {EXPECTED}"
        return
    if parts.scheme not in SCHEMES:
        other = f"{parts.scheme}:// is not PostgreSQL" if parts.scheme.isidentifier() else "it is no URL"
        yield f"{other}; {EXPECTED}"
    if "://" not in url:  # all of it would be the database's name, and shown as that
        yield f"it lacks the // after {parts.scheme}:; {EXPECTED}"
    if "," in parts.netloc.rpartition("@")[2]:
        yield "it names several hosts; name the primary's only"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        yield f"its port is no number from 1 to 65535 (or a password has an unquoted sign); {EXPECTED}"
    if not unquote(parts.path[1:]) and "service" not in parse_qs(parts.query):
        yield f"it names no database; {EXPECTED}"
    if parts.fragment:
        yield f"a # in it must be written %23; {EXPECTED}"
    if re.search("[/@]", parts.path[1:]):
        where = "database's name (or in a password)"
        yield f"a / or @ in its {where} must be written %2F or %40; {EXPECTED}"
    yield from find_odd_characters(parts)
    yield from find_odd_options(parts)


def find_odd_characters(parts: SplitResult) -> Iterator[str]:
    """Parts with characters that libpq or the terminal can't take, however they are quoted."""
    named = {
        "user": parts.username,
        "password": parts.password,
        "host": parts.hostname,
        "database's name": parts.path,
        "options": parts.query,
    }
    for what, text in named.items():
        odd = NO_TEXT if what == "password" else CONTROLS
        if re.search(f"[{odd}]", unquote(text or "", errors="surrogateescape")):
            yield f"a control character, or bytes that are not UTF-8, in its {what}; correct it"


def find_odd_options(parts: SplitResult) -> Iterator[str]:
    """Options that libpq does not know, or that contradict each other or the rest of the URL."""
    options = parse_qs(parts.query, keep_blank_values=True)
    if not all(name.isidentifier() for name in options):  # it may be a part of a password
        yield f"after its ? are no options (or a password has an unquoted sign); {EXPECTED}"
    rest = {
        "dbname": parts.path[1:],
        "user": parts.username,
        "password": parts.password,
        "host": parts.hostname,
        "port": parts.port,
    }
    if re.search("%(?![0-9a-fA-F]{2})", parts.netloc):
        yield f"a % in its user, password or host must be written %25; {EXPECTED}"
    if "currentSchema" in options and "options" in options:
        yield "it has currentSchema and options, which say the same; remove one of them"
    for name, values in options.items():
        if len(values) > 1 or rest.get(name):
            yield f"it says its {name} twice; remove the one after the ?"
        try:
            if name not in OUR_OPTIONS:
                make_dsn(**{name: values[0]})
        except (psycopg2.Error, TypeError):
            yield f"libpq has no option {name!r}; remove it from the end of the URL"


def choose(environment: Mapping[str, str], variable: str, *allowed: str) -> str:
    """The value of a variable with few values; empty if it is not set.

    Raises ImproperlyConfigured for another one.
    """
    value = environment.get(variable, "")
    if value and value not in allowed:
        raise ImproperlyConfigured(f"{variable}={value}: expected {' or '.join(allowed)}, or nothing")
    return value
