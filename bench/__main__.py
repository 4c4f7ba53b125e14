"""`python -m bench`: six stacks, five tools, five cases, one embedded AWS.

Every tool works on sets of stacks of its own; the tools take turns within every repetition, and what counts is the
median of whole processes. Results go to build/bench; `--publish` also writes them to docs/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bench.aws import started
from bench.cases import CASES, Bench, Measured, unavoidable_seconds
from bench.engines import TITLES, EngineError, engines, versions
from bench.platform import ROOT, critical_path
from bench.report import drawing, table, target_table, verdicts
from local_aws.state import LauncherError

OUTPUT = ROOT / "build" / "bench"
PAGE = ROOT / "bench" / "page.md"


def main(arguments: list[str] | None = None) -> int:
    """Run the cases that are asked for. Exit codes: 0 measured, 1 a tool failed (what it said on standard error)."""
    options = _parser().parse_args(arguments)
    if options.report_only:
        return _report_again(publish=options.publish)
    # Whoever ends the bench ends the embedded AWS with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = [case for case in CASES if not options.case or case.key in options.case]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    try:
        tools = [engine for engine in engines(OUTPUT / "tools") if not options.tool or engine.key in options.tool]
        with started(OUTPUT / "aws") as aws:
            bench = Bench(aws, tools, OUTPUT / "work", options.scale, lambda line: print(line, flush=True))
            for case in wanted:
                bench.run(case, options.scaled_repetitions if case.real_times else options.repetitions)
    except (EngineError, LauncherError) as error:
        print(error, file=sys.stderr)
        return 1
    measured = bench.measured
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": _machine(measured.load),
        "versions": ", ".join(f"{name} {version}" for name, version in versions(OUTPUT / "tools").items()),
        "command": _command(sys.argv[1:] if arguments is None else arguments),
        "floor": unavoidable_seconds(options.scale),
        "scale": options.scale,
    }
    _keep(measured, facts)
    _write(measured, facts, publish=options.publish)
    return 0


def _report_again(*, publish: bool) -> int:
    try:
        kept = json.loads((OUTPUT / "results.json").read_text(encoding="utf-8"))
    except OSError:
        print("Nothing was measured yet: run the bench without --report-only first.", file=sys.stderr)
        return 1
    _write(Measured(kept["seconds"], kept["processor_seconds"]), kept, publish=publish)
    return 0


def _keep(measured: Measured, facts: Mapping[str, Any]) -> None:
    results = {**facts, "seconds": measured.seconds, "processor_seconds": measured.processor_seconds}
    (OUTPUT / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _write(measured: Measured, facts: Mapping[str, Any], *, publish: bool) -> None:
    cases = {case.key: case.title for case in CASES}
    found = verdicts(measured.seconds, facts["floor"])
    tables = {
        form: (
            table(measured.seconds, measured.processor_seconds, cases, TITLES, markdown=form == "markdown"),
            target_table(found, cases, TITLES, markdown=form == "markdown"),
        )
        for form in ("text", "markdown")
    }
    text = "\n".join(tables["text"])
    caption = f"{facts['date']}, {facts['machine']}. Bar: median; thin line: least to most."
    picture = drawing(measured.seconds, cases, TITLES, facts["floor"], caption)
    (OUTPUT / "table.txt").write_text(text, encoding="utf-8")
    (OUTPUT / "benchmark.md").write_text(_page(*tables["markdown"], facts), encoding="utf-8")
    (OUTPUT / "benchmark.svg").write_text(picture, encoding="utf-8")
    if publish:
        for name in ("benchmark.md", "benchmark.svg"):
            shutil.copy(OUTPUT / name, ROOT / "docs" / name)
    print(f"\n{text}\nThe same as Markdown, a drawing and the raw figures: {OUTPUT.relative_to(ROOT)}/")


def _page(measured: str, targets: str, facts: Mapping[str, Any]) -> str:
    way = critical_path()
    return PAGE.read_text(encoding="utf-8").format(
        measured=measured,
        targets=targets,
        date=facts["date"],
        machine=facts["machine"],
        versions=facts["versions"],
        command=facts["command"],
        layers=" → ".join(way.layers),
        path=f"{way.seconds:.0f}",
        scale=f"{facts['scale']:g}",
        scaled=f"{way.seconds * facts['scale']:.1f}",
        floor=f"{facts['floor']:.1f}",
        calls=1 + 2 * len(way.layers),
    )


def _command(arguments: list[str]) -> str:
    return f'make bench ARGUMENTS="{shlex.join(arguments)}"' if arguments else "make bench"


def _machine(load: list[float]) -> str:
    between = f"{min(load):.1f} to {max(load):.1f}" if load else "unknown"
    return (
        f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}, load average {between}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=[case.key for case in CASES], help="default: all")
    parser.add_argument("--tool", action="append", choices=list(TITLES), help="default: all")
    parser.add_argument("--repetitions", type=int, default=5, help="of each case but the last (default: 5)")
    parser.add_argument(
        "--scaled-repetitions", type=int, default=1, help="of the last case, some eight minutes each (1)"
    )
    parser.add_argument("--scale", type=float, default=0.05, help="what part of its real time a creation takes (0.05)")
    parser.add_argument("--publish", action="store_true", help="also write docs/benchmark.md and docs/benchmark.svg")
    parser.add_argument(
        "--report-only", action="store_true", help="measure nothing, write the last run's results again"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
