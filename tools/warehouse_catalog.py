"""Write what the migrations make to `files/redshift/catalog.yml`, as a freshly migrated embedded warehouse tells it.

    python -m tools.warehouse_catalog

The drift of a real warehouse is measured against that file; a test fails when it is stale.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import yaml

from local_aws import launcher
from local_aws.state import State

ROOT = Path(__file__).resolve().parents[1]
MIGRATIONS = ROOT / "files" / "redshift" / "migrations"
CATALOG = ROOT / "files" / "redshift" / "catalog.yml"
#: Values that stand for themselves in the catalog, where they become placeholders again.
PLACEHOLDERS = {"environment": "zzenv", "name_suffix": "-zzsuffix"}
_HEAD = """\
# What the migrations make, as the catalog of a freshly migrated warehouse tells it. Written by `make catalog`; a test
# fails when it is stale. playbooks/warehouse.yml --tags drift compares a warehouse with it.
---
"""


def written(facts: Mapping[str, str]) -> str:
    """The text of the catalog's file, from the facts of a warehouse that was migrated with PLACEHOLDERS."""
    text = yaml.safe_dump(dict(facts), sort_keys=True, allow_unicode=True, width=120)
    for name, value in sorted(PLACEHOLDERS.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"${{{name}}}")
    return _HEAD + text


def main() -> int:
    """Start an embedded AWS of its own, migrate, look, write."""
    # Ansible's collections are importable only once its loader knows where they are.
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder([str(ROOT / "collections")])._install()
    from ansible_collections.concert.platform.plugins.module_utils.redshift import catalog
    from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
        DataApi,
        Deadline,
        find_warehouse,
    )
    from ansible_collections.concert.platform.plugins.module_utils.redshift.files import read_directory
    from ansible_collections.concert.platform.plugins.module_utils.redshift.ledger import Author
    from ansible_collections.concert.platform.plugins.module_utils.redshift.runner import Migrator, Run
    from ansible_collections.concert.platform.plugins.module_utils.run_lock.model import Process

    with tempfile.TemporaryDirectory() as directory:
        state = State(Path(directory))
        described = launcher.start(state)
        try:

            def client(service: str) -> Any:
                return boto3.client(  # type: ignore[call-overload]
                    service,
                    endpoint_url=described["endpoint_url"],
                    region_name=described["region"],
                    aws_access_key_id="test",
                    aws_secret_access_key="test",  # noqa: S106 - the embedded AWS has no secrets
                )

            serverless = client("redshift-serverless")
            serverless.create_namespace(namespaceName="catalog", dbName="concerts", manageAdminPassword=True)
            serverless.create_workgroup(workgroupName="catalog", namespaceName="catalog")
            found = find_warehouse(serverless, namespace="catalog", workgroup="catalog", database="concerts")
            database = DataApi(client("redshift-data"), found, Deadline(300))
            run = Run(Author("tools"), uuid.uuid4().hex, Process("tools", 1, "now"))
            migrator = Migrator(database, run, report=print, is_alive=lambda _: True)
            migrator.apply(read_directory(MIGRATIONS, PLACEHOLDERS), ready=False)
            facts = catalog.from_rows(*database.query_all(catalog.QUERIES))
        finally:
            launcher.stop(state)
    CATALOG.write_text(written(facts), encoding="utf-8")
    print(f"{CATALOG.relative_to(ROOT)}: {len(facts)} facts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
