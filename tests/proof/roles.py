"""A role with the rights that docs/servers.md lists."""

import re

from tests.conftest import PROJECT, Database, Done


def as_role(db: Database, name: str, *arguments: str) -> Done:
    return db.run(*arguments, env=db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@")))


def grants() -> list[str]:
    """The statements of its list."""
    block = re.search(r"```\n(GRANT .*?)```", (PROJECT / "docs" / "servers.md").read_text(), re.DOTALL)
    assert block
    return [" ".join(one.split()) for one in block[1].split(";") if one.strip()]
