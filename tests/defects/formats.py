"""Deliberate defects in tokens of a format."""

from tests.defects.mutant import ENGINE, Mutant

FORMATS = "tests/table/test_formats.py"

MUTANTS = [
    Mutant(
        "tokens of a format keep to no slice",
        f"{ENGINE}/table/values.py",
        'made = load("localize_text").replace("{random_text}", made)',
        "pass",
        "tests/table/test_slices.py -k of_a_format",
    ),
    Mutant(
        "some characters of a format are likelier than others",
        f"{ENGINE}/table/values.py",
        '"base62": ("base64", "+/=\\n", "")',
        '"base62": ("base64", "+/=\\n", "AB")',
        f"{FORMATS} -k likely",
    ),
    Mutant(
        "all rows of a window get the same token of a format",
        "sql/fragments/random_bytes.sql",
        "pg_catalog.sha512(\n    pg_catalog.uuid_send(pg_catalog.gen_random_uuid())\n    ||"
        " pg_catalog.uuid_send(pg_catalog.gen_random_uuid())\n)",
        "(SELECT pg_catalog.sha512(pg_catalog.uuid_send(pg_catalog.gen_random_uuid())))",
        f"{FORMATS} -k likely",
    ),
    Mutant(
        "a format may be guessed",
        f"{ENGINE}/formats.py",
        "LEAST_RANDOM_BITS = 96",
        "LEAST_RANDOM_BITS = 92",
        FORMATS,
    ),
    Mutant(
        "a token of a format is cut from too few bytes",
        f"{ENGINE}/formats.py",
        "TOO_SHORT = 2.0**-100",
        "TOO_SHORT = 0.9",
        FORMATS,
    ),
    Mutant(
        "the fixed text of a format is not quoted for parameters",
        f"{ENGINE}/db/statements.py",
        'sql.SQL(_quoted(value, connection).replace("%", "%%" if takes_parameters else "%"))',
        "sql.SQL(_quoted(value, connection))",
        FORMATS,
    ),
    Mutant(
        "a format is forgotten by the next run",
        f"{ENGINE}/runner.py",
        "return dataclasses.replace(self.options, **kept)",
        "return self.options",
        FORMATS,
    ),
    Mutant(
        "a rotation goes on with tokens of another format",
        f"{ENGINE}/runner.py",
        "if given == kept:",
        "if True:",
        FORMATS,
    ),
    Mutant(
        "a format need not fit its column",
        f"{ENGINE}/table/target.py",
        "if room is None or room in sizes or (not target.padded and room > min(sizes)):",
        "if True:",
        f"{FORMATS} -k not_fit",
    ),
    Mutant(
        "a list of tokens of a format is read as one of UUIDs",
        f"{ENGINE}/proof/revoked.py",
        "return TEXTS if target.any_text else UUIDS",
        "return UUIDS",
        FORMATS,
    ),
    Mutant(
        "tokens of a format are not found within text",
        "sql/proof/search_texts.sql",
        "%(pattern)s::text, 'g')",
        "%(pattern)s || 'x', 'g')",
        FORMATS,
    ),
    Mutant(
        "verify reads no format",
        "app/rotation/operations/verify.py",
        "recipe=recipe if target.is_text else",
        "recipe=replace(recipe, form=None) if target.is_text else",
        FORMATS,
    ),
    Mutant(
        "present tokens are not compared with the format",
        "sql/preflight/compare_formats.sql",
        "present.token !~ %(pattern)s",
        "present.token !~ (%(pattern)s || '|')",
        FORMATS,
    ),
]
