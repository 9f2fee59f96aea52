"""A stranger's Django project, with the wheel in it: its files, and how to run its manage.py."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Database, fork_server
from tests.forkserver import READ_ONCE, Forked
from tests.host.files import FILES

ROWS = 2_000


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]


@dataclass
class Host:
    """The project in a folder; its database is empty at first."""

    db: Database
    folder: Path
    python: Path = Path(sys.executable)
    path: str = ""  #: where the wheel's package is, unless it is installed
    more: dict[str, str] = field(default_factory=dict)  #: environment variables

    def __post_init__(self) -> None:
        for name, text in FILES.items():
            self.write(name, text)
        self.db.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def try_to(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py, with more settings as the text MORE."""
        environment = {"DATABASE_URL": self.db.url, "PATH": os.environ["PATH"]}
        if not self.path:
            environment |= {"LANG": "C.UTF-8"} | self.more | more
            return run(self.python, "manage.py", *arguments, cwd=self.folder, env=environment)
        # On the packages of these tests, which need not be imported each time.
        server = fork_server()
        alike = {name: one for name, one in server.environment.items() if name.startswith(READ_ONCE)}
        environment |= alike | {"PYTHONPATH": self.path} | self.more | more
        manage = str(self.folder / "manage.py")
        settings = {"cwd": self.folder, "env": environment, "text": True}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = Forked(server, *arguments, manage=manage, **settings, **streams)
        out, err = child.communicate(timeout=120)
        return subprocess.CompletedProcess([manage, *arguments], child.returncode, out, err)

    def manage(self, *arguments: str, **more: str) -> str:
        done = self.try_to(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set_up(self, **more: str) -> None:
        """As docs/projects.md says: check, migrations of its own, migrate; and rows."""
        done = self.try_to("check", **more)
        assert done.returncode == 0, done.stderr
        assert "rotat" not in done.stderr
        self.manage("makemigrations", "accounts", **more)
        self.manage("makemigrations", "--check", "--dry-run", **more)
        self.manage("migrate", "-v", "0", **more)

    def fill(self, table: str = "accounts_account") -> None:
        self.db.sql(
            f"INSERT INTO {table} (id, api_key)"
            f" SELECT n, gen_random_uuid() FROM generate_series(1, {ROWS}) AS n"
        )
        self.db.sql("DROP TABLE IF EXISTS before")
        self.db.remember(table, "id", "api_key")

    def is_rotated(self, table: str = "accounts_account") -> bool:
        changed = (
            f"SELECT count(*) FROM before INNER JOIN {table} AS now ON now.id::text = before.id"
            " WHERE now.api_key::text <> before.token"
        )
        return self.db.value(changed) == ROWS

    def rotate(self, **more: str) -> str:
        """Rotate, and see that every token was replaced, proven, and is guarded."""
        done = self.manage("rotate_tokens_sql", "--window", "500", **more)
        assert f"verified by value: 0 of {ROWS} revoked tokens survive" in done
        assert self.is_rotated()
        assert "is guarded by" in self.manage("rotation", "guard", "status", **more)
        return done
