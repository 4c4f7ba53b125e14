"""What the warehouse's integration tests share: actions run as Ansible runs them, and a warehouse to run them on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    find_warehouse,
)


def run_action(action: type[Any], options: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """The result of a task of `action`, with `--diff`, in this process."""
    task = SimpleNamespace(
        args=dict(options), async_val=0, check_mode=check, diff=True, action="concert.platform.test", no_log=False
    )
    # The actions never leave the controller: of a connection they need nothing but that it has no directory.
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    plugin = action(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    result: dict[str, Any] = plugin.run(task_vars={})
    return result


@dataclass(frozen=True)
class TestWarehouse:
    """A namespace, its workgroup and one database of the embedded AWS."""

    __test__ = False

    client: Callable[..., Any]
    endpoint_url: str
    namespace: str
    workgroup: str
    database: str

    @classmethod
    def create(cls, client: Callable[..., Any], endpoint_url: str, name: str) -> TestWarehouse:
        """A new warehouse with the database `concerts`."""
        serverless = client("redshift-serverless")
        serverless.create_namespace(namespaceName=name, dbName="concerts", manageAdminPassword=True)
        serverless.create_workgroup(workgroupName=name, namespaceName=name)
        deadline = time.monotonic() + 30
        while serverless.get_workgroup(workgroupName=name)["workgroup"]["status"] != "AVAILABLE":
            assert time.monotonic() < deadline, "the workgroup did not become available"
            time.sleep(0.1)
        return cls(client, endpoint_url, name, name, "concerts")

    def with_database(self, database: str) -> TestWarehouse:
        """The same warehouse with a new, empty database."""
        self.query(f"CREATE DATABASE {database}")
        return TestWarehouse(self.client, self.endpoint_url, self.namespace, self.workgroup, database)

    @property
    def options(self) -> dict[str, Any]:
        """The options of every warehouse action."""
        return {
            "namespace": self.namespace,
            "workgroup": self.workgroup,
            "database": self.database,
            "region": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
            "endpoint_url": self.endpoint_url,
        }

    def api(self) -> DataApi:
        """The Data API as the admin."""
        found = find_warehouse(
            self.client("redshift-serverless"),
            namespace=self.namespace,
            workgroup=self.workgroup,
            database=self.database,
        )
        return DataApi(self.client("redshift-data"), found, Deadline(60))

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of a query, or none for another statement."""
        api = self.api()
        if sql.lower().startswith(("select", "with")):
            return api.query(sql)
        api.execute(sql, f"{time.monotonic_ns()}")
        return []

    def ledger(self) -> list[int]:
        """The versions in the ledger, in order."""
        return [row[0] for row in self.query("SELECT version FROM concert_meta.schema_migrations ORDER BY version")]
