"""Write the quick reference of the six stacks, files/cloudformation/README.md, from the templates: `make templates`.

Run with `--check` it changes nothing and exits 1 when the committed page is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = Path("files/cloudformation")
PAGE: Final = TEMPLATES / "README.md"

_LOADER: Final = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})


def _intrinsic(loader: Any, suffix: str, node: yaml.Node) -> Any:
    """A short intrinsic as its argument under its tag, which is all that a reference shows."""
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


yaml.add_multi_constructor("!", _intrinsic, Loader=_LOADER)


def read(path: Path) -> dict[str, Any]:
    """A template as data."""
    with path.open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, Loader=_LOADER)  # noqa: S506 - a safe loader with tags
        return loaded


def page(templates: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page. `templates`: file name → template, in the order in which the stacks are deployed."""
    lines = [
        "# The six stacks",
        "",
        "Made from the templates by `make templates`; a test fails when it is stale. The templates themselves say why.",
        "",
        "| Template | Stack | Parameters | Resources | of them optional | Outputs | Alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    totals: Counter[str] = Counter()
    for name, template in templates.items():
        counts = _counts(template)
        totals += counts
        lines.append(
            f"| [{name}](#{_anchor(name)}) | `concert-platform-{_layer(name)}-<environment>` | {_cells(counts)} |"
        )
    lines += [f"| all | | {_cells(totals)} |", ""]
    for name, template in templates.items():
        lines += _stack(name, template)
    return "\n".join(lines).rstrip() + "\n"


def _stack(name: str, template: Mapping[str, Any]) -> Iterable[str]:
    yield f"## {name}"
    yield ""
    yield _text(template.get("Description", ""))
    yield ""
    yield from _table(
        "Parameter",
        ("Parameter", "Type", "Default", "Meaning"),
        (
            (f"`{key}`", spec["Type"], _default(spec), _meaning(spec))
            for key, spec in template.get("Parameters", {}).items()
        ),
    )
    yield from _table(
        "Output",
        ("Output", "Exported", "Meaning"),
        (
            (f"`{key}`", "yes" if "Export" in spec else "", _meaning(spec) + _when(spec))
            for key, spec in template.get("Outputs", {}).items()
        ),
    )
    yield from _table(
        "Resource",
        ("Resource", "Type", "Kept when deleted", "Only if"),
        (
            (
                f"`{key}`",
                spec["Type"],
                "yes" if str(spec.get("DeletionPolicy", "")).startswith(("Retain", "Snapshot")) else "",
                f"`{spec['Condition']}`" if "Condition" in spec else "",
            )
            for key, spec in template["Resources"].items()
        ),
    )


def _table(what: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    found = list(rows)
    if not found:
        yield f"No {what.lower()}s."
        yield ""
        return
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in found:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def _counts(template: Mapping[str, Any]) -> Counter[str]:
    resources = template["Resources"].values()
    return Counter(
        parameters=len(template.get("Parameters", {})),
        resources=len(resources),
        optional=sum("Condition" in spec for spec in resources),
        outputs=len(template.get("Outputs", {})),
        alarms=sum(spec["Type"] in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm") for spec in resources),
    )


def _cells(counts: Counter[str]) -> str:
    return " | ".join(str(counts[key]) for key in ("parameters", "resources", "optional", "outputs", "alarms"))


def _default(spec: Mapping[str, Any]) -> str:
    if "Default" not in spec:
        return "required"
    return f"`{spec['Default']}`" if str(spec["Default"]) else "empty"


def _meaning(spec: Mapping[str, Any]) -> str:
    said = _text(spec.get("Description", ""))
    allowed = spec.get("AllowedValues")
    return (
        f"{said} One of {', '.join(f'`{value}`' if str(value) else 'empty' for value in allowed)}." if allowed else said
    )


def _when(spec: Mapping[str, Any]) -> str:
    return f" Only if `{spec['Condition']}`." if "Condition" in spec else ""


def _text(value: Any) -> str:
    return " ".join(str(value).split())


def _layer(name: str) -> str:
    return re.split(r"[-.]", name)[1]


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9-]", "", name.lower())


def main(arguments: list[str] | None = None) -> int:
    """Write the page; the exit code, 1 when `--check` finds it stale."""
    parser = argparse.ArgumentParser(description="Write the quick reference of the stacks from their templates.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is stale")
    check: bool = parser.parse_args(arguments).check
    text = page({path.name: read(path) for path in sorted((ROOT / TEMPLATES).glob("0*.yaml"))})
    path = ROOT / PAGE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(f"Stale: {PAGE}. Run `make templates` and commit the result.", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
