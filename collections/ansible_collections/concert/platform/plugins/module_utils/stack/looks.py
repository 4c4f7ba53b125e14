"""What one task of a run saw of the stacks that later tasks are about, for as long as it cannot be stale.

A look counts once, for some seconds, until the run changes any stack, and only as proof that there is nothing to do:
whatever is planned or changed is planned from a look of its own. Looks lie in the run's own temporary directory, which
Ansible makes for one process and its workers and removes at its end. Values of NoEcho parameters are not in them: AWS
answers with a mask.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .gateway import Clock

#: Seconds after which a look is taken anew.
GOOD_FOR = 10.0
_CHANGED, _CALLER = "changed", "caller"


@dataclass(frozen=True)
class Look:
    """One stack as DescribeStacks showed it (None: it did not exist), and its template.

    `began`: when the look was begun, by the run's clock. `counts`: it cannot be stale.
    """

    name: str
    began: float
    described: Mapping[str, Any] | None
    template: str
    counts: bool = True


class Looks:
    """The looks of one run at one account and region. `identity`: what tells that account and region from others."""

    def __init__(self, directory: Path, identity: tuple[str | None, ...], clock: Clock) -> None:
        self._directory = directory / f"stacks-{_digest(repr(identity))}"
        self._clock = clock

    def put(self, look: Look) -> None:
        """Keep a look for the task that is about its stack."""
        self._write(
            _digest(look.name),
            {"name": look.name, "began": look.began, "described": look.described, "template": look.template},
        )

    def take(self, name: str) -> Look | None:
        """The look at a stack, gone afterwards; whether it counts, it says itself."""
        kept = self._read(_digest(name), remove=True)
        if kept is None or kept["name"] != name:
            return None
        age = self._clock.now() - kept["began"]
        changed = self._read(_CHANGED)
        return Look(**kept, counts=0 <= age <= GOOD_FOR and (changed is None or kept["began"] > changed["at"]))

    def put_caller(self, caller: Mapping[str, str]) -> None:
        """Keep whose account this is, which stays so for as long as the run."""
        self._write(_CALLER, caller)

    def caller(self) -> Mapping[str, str] | None:
        """Whose account this is; None where no task has asked yet."""
        return self._read(_CALLER)

    def any_changed(self) -> bool:
        """The run has changed a stack, or may have."""
        return self._read(_CHANGED) is not None

    def changed(self) -> None:
        """The run has changed a stack, or may have: no look that was begun before now counts."""
        self._write(_CHANGED, {"at": self._clock.now()})

    def _write(self, file: str, content: Mapping[str, Any]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._directory / f".{file}-{os.getpid()}"
        temporary.write_text(json.dumps(content, default=str), encoding="utf-8")
        temporary.replace(self._directory / file)

    def _read(self, file: str, *, remove: bool = False) -> dict[str, Any] | None:
        path = self._directory / file
        try:
            if remove:
                # Whoever moves it away has it alone.
                taken = path.with_name(f".taken-{file}-{os.getpid()}")
                path.replace(taken)
                path = taken
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        finally:
            if remove:
                with suppress(OSError):
                    path.unlink()
        return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
