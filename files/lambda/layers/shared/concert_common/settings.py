"""The function's environment, read once at cold start. All that is wrong with it is said in one error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ENVIRONMENTS = ("development", "staging", "production")


class SettingsError(Exception):
    """The environment cannot configure the function; the message lists every variable and its rule."""


class EnvironmentReader:
    """Reads variables and remembers what is wrong; `check` raises it all together."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []

    def text(self, name: str, *, default: str | None = None, pattern: str = r".+", rule: str = "a value") -> str:
        """The variable `name`, which must match `pattern` whole; `rule` says so in words."""
        value = self._values.get(name) or default
        if value is None:
            self._problems.append(f"{name} is not set (needs {rule})")
            return ""
        if not re.fullmatch(pattern, value, re.DOTALL):
            self._problems.append(f"{name} is {value!r} (needs {rule})")
        return value

    def optional(self, name: str, *, pattern: str = r".+", rule: str = "a value") -> str | None:
        """The variable `name` as `text` reads it, or None where it is empty or not set: the thing is switched off."""
        return self.text(name, pattern=pattern, rule=rule) if self._values.get(name) else None

    def together(self, *names: str) -> None:
        """Variables that make sense only all or none."""
        absent = [name for name in names if not self._values.get(name)]
        if 0 < len(absent) < len(names):
            self._problems.append(f"{', '.join(absent)} is not set (needs a value, as {', '.join(names)} go together)")

    def integer(self, name: str, *, minimum: int, default: int | None = None) -> int:
        """The variable `name` as an integer of at least `minimum`."""
        value = self.text(
            name,
            default=None if default is None else str(default),
            pattern=r"\d{1,9}",
            rule=f"an integer of at least {minimum}",
        )
        number = int(value) if value.isdigit() else minimum
        if number < minimum:
            self._problems.append(f"{name} is {number} (needs an integer of at least {minimum})")
        return number

    def environment(self) -> str:
        """ENVIRONMENT, one of the three."""
        return self.text("ENVIRONMENT", pattern="|".join(ENVIRONMENTS), rule="one of " + ", ".join(ENVIRONMENTS))

    def check(self) -> None:
        """Raise `SettingsError` if any variable was missing or wrong."""
        if self._problems:
            raise SettingsError("The function's environment is wrong: " + "; ".join(self._problems))


@dataclass(frozen=True)
class WarehouseSettings:
    """Which warehouse to ask: a Redshift Serverless workgroup and a database in it."""

    workgroup: str
    database: str

    @classmethod
    def read(cls, reader: EnvironmentReader) -> WarehouseSettings:
        """From REDSHIFT_WORKGROUP and REDSHIFT_DATABASE."""
        return cls(reader.text("REDSHIFT_WORKGROUP"), reader.text("REDSHIFT_DATABASE"))


@dataclass(frozen=True)
class ReaderSettings:
    """What a function needs that only asks the warehouse."""

    environment: str
    warehouse: WarehouseSettings

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> ReaderSettings:
        """Raises `SettingsError` naming every wrong variable."""
        reader = EnvironmentReader(values)
        settings = cls(reader.environment(), WarehouseSettings.read(reader))
        reader.check()
        return settings
