"""Writes sample data; `files/sample_data/README.md` says what is in it.

    python -m tools.sample_data                    the committed sample: concerts and sales of files/sample_data
    python -m tools.sample_data --check            exit status 1 when the committed files are not what it writes
    python -m tools.sample_data --into DIR         the seed's volume: 1,000 artists, 500 venues, 10,000 concerts,
                                                   50,000 sales, as files that the warehouse loads

Exit status 2 for a volume or an option that cannot be.
"""

from __future__ import annotations

import argparse
import csv
import sys
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tools.sample_data import defects, files, tables, world

COMMITTED = Path(__file__).resolve().parents[2] / "files" / "sample_data"
SEEDS_VOLUME = world.Volume(artists=1_000, venues=500, concerts=10_000, sales=50_000)
COMMITTED_CONCERTS, COMMITTED_SALES = 600, 6_000


def main(arguments: Sequence[str]) -> int:
    """Write the files. The exit status."""
    options = _parser().parse_args(arguments)
    artists, venues = _read("artists.csv"), _read("venues.csv")
    try:
        if options.into is None:
            volume = world.Volume(len(artists), len(venues), COMMITTED_CONCERTS, COMMITTED_SALES)
            return _committed(world.make(volume, artists, venues), check=options.check)
        volume = world.Volume(options.artists, options.venues, options.concerts, options.sales)
        _write(world.make(volume, artists, venues, options.seed), options)
    except world.VolumeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample_data", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="compare the committed sample instead of writing it")
    parser.add_argument("--into", type=Path, metavar="DIR", help="directory to write a data set of its own to")
    for name in ("artists", "venues", "concerts", "sales"):
        count = getattr(SEEDS_VOLUME, name)
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"how many (default {count})")
    parser.add_argument(
        "--seed", type=int, default=world.SEED, help="another seed, another world (default %(default)s)"
    )
    parser.add_argument(
        "--format",
        choices=(*files.FORMATS, "offsets"),
        default="csv",
        help="csv (default), jsonl and parquet hold the warehouse's columns; events are what a source puts on a "
        "stream; offsets are the sample files, whose days count from an anchor",
    )
    parser.add_argument("--gzip", action="store_true", help="compress csv, jsonl and events")
    parser.add_argument(
        "--anchor",
        type=date.fromisoformat,
        default=monday(datetime.now(UTC).date()),
        metavar="DATE",
        help="the Monday that is day 0 (default: this week's)",
    )
    parser.add_argument(
        "--bad-share",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="bad records on top of the good ones, as a share of their number (0 to 1), at least one of every kind of "
        "defect; defects.csv lists them by file and line",
    )
    return parser


def monday(day: date) -> date:
    """The Monday of this day's week."""
    return day - timedelta(days=day.weekday())


def _committed(made: world.World, *, check: bool) -> int:
    rows = tables.offset_rows(made)
    wanted = {
        f"{name}.csv": files.csv_text(rows[name], tables.OFFSET_COLUMNS[name]).encode()
        for name in ("concerts", "ticket_sales")
    }
    stale = [name for name, content in wanted.items() if _current(COMMITTED / name) != content]
    if check:
        for name in stale:
            print(f"{name} is not what the generator writes; run python -m tools.sample_data", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (COMMITTED / name).write_bytes(wanted[name])
    print(f"{COMMITTED}: {', '.join(stale) or 'nothing'} changed")
    return 0


def _write(made: world.World, options: argparse.Namespace) -> None:
    options.into.mkdir(parents=True, exist_ok=True)
    if options.format == "offsets":
        for name, rows in tables.offset_rows(made).items():
            text = files.csv_text(rows, tables.OFFSET_COLUMNS[name])
            (options.into / f"{name}.csv").write_bytes(text.encode())
            print(f"{options.into / name}.csv: {len(rows):,} rows")
        return
    written: list[defects.Written] = []
    for name, rows in tables.warehouse_rows(made, options.anchor).items():
        # Another table, another sequence, whatever the volume of the others.
        seed = options.seed + zlib.crc32(name.encode())
        bad = defects.bad_records(name, rows, options.bad_share, options.format, seed)
        written += files.write_table(
            name, rows, bad, options.into, file_format=options.format, zipped=options.gzip, anchor=options.anchor
        )
        print(f"{options.into}: {len(rows):,} {name}" + (f" and {len(bad):,} bad records" if bad else ""))
    if options.bad_share:
        defects.describe(written, options.into / "defects.csv")


def _read(name: str) -> list[dict[str, str]]:
    with (COMMITTED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _current(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
