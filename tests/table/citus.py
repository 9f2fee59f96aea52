"""A database of a whole Citus cluster, and what its nodes hold."""

import os
from typing import Any

from psycopg2.extensions import parse_dsn

from tests.citus_cluster import execute, join
from tests.conftest import WITHOUT_GUARD, Database

URL = os.environ.get("ROTATION_CITUS_URL", "")
ROWS = 1000
DISTRIBUTE = {
    "hash": "SELECT create_distributed_table('ticket', 'id', shard_count := 4)",
    "one shard": "SELECT create_distributed_table('ticket', NULL)",
    "reference": "SELECT create_reference_table('ticket')",
}
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
DROP_GUARD = f"{WITHOUT_GUARD};"


class Coordinator:
    """What Database asks of a server: addresses."""

    def address(self, database: str) -> dict[str, Any]:
        return {**parse_dsn(URL), "dbname": database}

    def url(self, database: str) -> str:
        return URL.rpartition("/")[0] + f"/{database}"


class Cluster(Database):
    """A database of the whole cluster for one test."""

    def __init__(self, name: str) -> None:
        super().__init__(Coordinator(), name)  # type: ignore[arg-type]
        self.acknowledges = False
        nodes = execute(parse_dsn(URL), "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid > 0")
        self.workers = [self.server.address(name) | {"host": host, "port": port} for host, port in nodes]
        self.nodes = [self.server.address(name), *self.workers]

    def connect(self, autocommit: bool = True, **also: Any) -> Any:
        # What the tests do themselves does not wait for a standby.
        return super().connect(autocommit, options="-c synchronous_commit=local", **also)

    def create(self, template: str) -> None:
        for node in self.nodes:
            of = f"TEMPLATE {template}" if node is self.nodes[0] else ""
            execute(node | {"dbname": "postgres"}, f"CREATE DATABASE {self.name} {of}")
        join(self.nodes)

    def drop(self) -> None:
        for node in self.nodes:
            # What a failed test has left: its name would be taken in the next one.
            for (gid,) in execute(node, PREPARED):
                execute(node, f"ROLLBACK PREPARED '{gid}'")
            execute(node | {"dbname": "postgres"}, f"DROP DATABASE {self.name} WITH (FORCE)")

    def distribute(self, kind: str, rows: int = ROWS) -> None:
        """Make the ticket table as it can be distributed, and fill it."""
        self.sql(DROP_GUARD)
        if kind != "reference":
            self.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
        self.sql(DISTRIBUTE[kind])
        self.insert("SELECT generate_series(1, %s)", rows)
        self.remember("ticket", "id")

    def tokens(self, where: str = "true") -> dict[int, str]:
        return dict(self.sql(f"SELECT id, token::text FROM ticket WHERE {where}"))

    def preparing(self) -> list[dict[str, Any]]:
        """The nodes that have prepared transactions."""
        return [node for node in self.nodes if execute(node, PREPARED)]

    def rotated(self, rows: int = ROWS) -> None:
        """Every row has a token of its own, none of before, and the state says the same."""
        tokens, before = self.tokens(), dict(self.sql("SELECT id::bigint, token FROM before"))
        assert len(tokens) == len(set(tokens.values())) == rows
        assert not set(tokens.values()) & set(before.values())
        assert self.value("SELECT sum(rows) FROM batchprogress") == rows
        assert self.value("SELECT sum(rows) FROM rotation_window") == rows
        assert self.value("SELECT status FROM rotation ORDER BY id DESC LIMIT 1") == "succeeded"
        assert self.preparing() == []
        assert len(self.copies()) == self.value(
            "SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'ticket'::regclass"
        )

    def copies(self) -> set[str]:
        """A sum over each shard's tokens: copies of one agree."""
        total = "SELECT sum(hashtextextended(token::text, 0)) FROM %s"
        shards = self.sql(
            "SELECT placed.result FROM pg_dist_partition"
            " CROSS JOIN LATERAL run_command_on_placements(logicalrelid, %s) AS placed"
            " WHERE logicalrelid = 'ticket'::regclass",
            total,
        )
        return {result for (result,) in shards}

    def agree(self) -> int:
        """The checkpoint, which agrees with the rows."""
        last = self.value("SELECT coalesce(max(last_id::bigint), 0) FROM batchprogress")
        before = dict(self.sql("SELECT id::bigint, token FROM before"))
        changed = {key for key, token in self.tokens().items() if token != before[key]}
        assert changed == set(range(1, last + 1))
        return int(last)
