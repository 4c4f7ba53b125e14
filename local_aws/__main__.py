"""`python -m local_aws start|stop|status|env`: the embedded AWS from the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from local_aws import launcher
from local_aws.context import REGION
from local_aws.state import LauncherError, State

NOT_RUNNING = 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 failed (the reason on standard error), 3 not running (status, env)."""
    options = _parser().parse_args(arguments)
    state = State(options.state_dir.expanduser().resolve())
    try:
        if options.command == "start":
            print(json.dumps(launcher.start(state, wait_for_warehouse=options.wait)))
            return 0
        if options.command == "stop":
            print(json.dumps(launcher.stop(state)))
            return 0
        description = launcher.status(state)
    except LauncherError as error:
        print(error, file=sys.stderr)
        return 1
    if options.command == "status":
        print(json.dumps(description))
    elif description["status"] == "running":
        print(_exports(str(description["endpoint_url"])))
    else:
        print(
            f"The embedded AWS is {description['status']}. `make deploy` starts it with the platform; "
            "`python -m local_aws start` in the virtual environment starts it alone.",
            file=sys.stderr,
        )
    return 0 if description["status"] == "running" else NOT_RUNNING


def _exports(endpoint_url: str) -> str:
    values = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return "\n".join(f"export {name}={value}" for name, value in values.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    texts = {
        "start": "start the server if it does not run, and print where it is",
        "stop": "end the server and remove all of its data",
        "status": "print whether the server runs",
        "env": "print shell exports that point AWS clients at the server",
    }
    default = Path(os.environ.get("LOCAL_AWS_STATE_DIR") or launcher.ROOT / ".local-aws")
    for name, text in texts.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--state-dir", type=Path, default=default, help=f"default: {default}")
        if name == "start":
            command.add_argument("--wait", action="store_true", help="also wait for the warehouse's PostgreSQL")
    return parser


if __name__ == "__main__":
    sys.exit(main())
