"""Looks at the project's files and says what is wrong, where, by which rule, and what mends it. Calls no AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..packaging.errors import PackagingError
from ..packaging.packages import build
from ..redshift.errors import WarehouseError
from ..redshift.files import read_directory
from ..stack.errors import TemplateError
from ..stack.template import S3_LIMIT, parse

_TEMPLATES = ("cloudformation", "iam", "pipelines")
#: CloudFormation's quotas for one template.
_QUOTAS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
#: What Lambda unpacks at most, function and layers together, in bytes.
_UNPACKED_LIMIT = 262_144_000
_DEADLINE_SECONDS = 300
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_PLAYBOOK = re.compile(r"\bansible-playbook ([\w./-]+\.yml)")
_INVENTORY = re.compile(r"-i (inventories/[\w-]+)")
_TARGET = re.compile(r"(?:^|[`$(]|\s{2,})make ([a-z][a-z-]*)\b(?=[`\s)]|$)")
_HELD_BACK = {".venv", "build", "reports", "node_modules", ".git", ".ansible", ".local-aws"}
_SET_IN = re.compile(r"([\w./-]+\.ya?ml)\b")


@dataclass(frozen=True)
class Problem:
    """Something wrong. `where` is a file, with its line where that is known; `said` ends with the fix."""

    where: str
    rule: str
    said: str


@dataclass(frozen=True)
class Outcome:
    """One row: what was looked at and what was wrong.

    `skipped` says why nothing was looked at, `note` what was left out and why.
    """

    area: str
    looked_at: str
    problems: tuple[Problem, ...] = ()
    skipped: str = ""
    note: str = ""


def template_files(project: Path) -> list[Path]:
    """Every CloudFormation template of the project: the platform's, and those that an administrator deploys once."""
    return sorted(path for folder in _TEMPLATES for path in project.glob(f"files/{folder}/*.yaml"))


def templates(project: Path) -> Outcome:
    """Every template: YAML, references, quotas, and AWS's resource schemas by cfn-lint."""
    files = template_files(project)
    problems: list[Problem] = []
    resources = 0
    sound = []
    for path in files:
        name = str(path.relative_to(project))
        try:
            template = parse(path.read_text(encoding="utf-8"), name)
        except TemplateError as error:
            where = re.match(rf"{re.escape(name)}:\d+", str(error))
            problems.append(Problem(where[0] if where else name, "template", str(error)))
            continue
        sound.append(name)
        resources += len(template.resources)
        if template.size > S3_LIMIT:
            said = f"{template.size:,} bytes; CloudFormation reads {S3_LIMIT:,}. Move resources to another stack."
            problems.append(Problem(name, "size", said))
        sections = {"Resources": template.resources, "Parameters": template.parameters, "Outputs": template.outputs}
        for section, held in {**sections, "Mappings": template.mappings}.items():
            if len(held) > _QUOTAS[section]:
                said = f"{len(held)} {section}; CloudFormation takes {_QUOTAS[section]}. Move some to another stack."
                problems.append(Problem(name, "quota", said))
    problems += _linted(project, sound)
    return Outcome("templates", f"{len(files)} files, {resources} resources", tuple(problems))


def _linted(project: Path, names: Sequence[str]) -> list[Problem]:
    """What cfn-lint finds, with the project's own .cfnlintrc."""
    if not names:
        return []
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", *names],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    try:
        found = json.loads(ran.stdout or "[]")
    except ValueError:
        found = None
    if found is None or (ran.returncode and not found):
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [Problem("cfn-lint", "cfn-lint", f"it did not run: {last}. Install requirements.txt (make venv).")]
    return [
        Problem(
            f"{match['Filename']}:{match['Location']['Start']['LineNumber']}",
            str(match["Rule"]["Id"]),
            f"{match['Message']}. {match['Rule'].get('Source', '')}".rstrip(". ") + ".",
        )
        for match in found
    ]


def inventories(project: Path, names: Sequence[str]) -> Outcome:
    """Every inventory against the argument specs of all roles: what preflight checks before a run."""
    known = sorted(str(path.relative_to(project)) for path in project.glob("inventories/*") if path.is_dir())
    chosen = list(names) or known
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: _inventory(project, name), chosen))
    said = ", ".join(name.removeprefix("inventories/") for name in chosen)
    return Outcome("inventories", said, tuple(problem for problems in found for problem in problems))


def _inventory(project: Path, name: str) -> list[Problem]:
    if not (project / name).is_dir():
        return [Problem(name, "inventory", "there is no such directory. Correct validate_inventories.")]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/deploy.yml", "-i", name]
    ran = subprocess.run(
        [*command, "--check", "--tags", "preflight", "-e", '{"preflight_inputs_only": true}'],
        cwd=project,
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    if ran.returncode == 0:
        return []
    return refusals(name, ran.stdout) or [
        Problem(name, "inventory", f"ansible-playbook ended with {ran.returncode}: {_last(ran.stderr or ran.stdout)}")
    ]


def refusals(name: str, output: str) -> list[Problem]:
    """What a run that failed in preflight says is wrong, one problem a line of its message."""
    found = []
    for match in re.finditer(r"^fatal: \[([^\]]+)\]: FAILED! => ", output, re.MULTILINE):
        try:
            told, _ = json.JSONDecoder().raw_decode(output, match.end())
        except ValueError:
            continue
        lines = str(told.get("msg", "it failed")).splitlines()
        for line in lines[1:] or lines:
            where = _SET_IN.search(line)
            found.append(Problem(where[1] if where else f"{name}, {match[1]}", "argument spec", line))
    return list(dict.fromkeys(found))


def migrations(project: Path) -> Outcome:
    """Names, sequence and statements of the migration files, and Redshift's limits on both."""
    directory = project / "files" / "redshift" / "migrations"
    # Any value will do: what the files say around it is the same in every environment.
    try:
        found = read_directory(directory, {"environment": "development", "name_suffix": ""})
    except WarehouseError as error:
        name = re.search(r"[\w-]+\.sql", str(error))
        where = str((directory / name[0] if name else directory).relative_to(project))
        return Outcome("migrations", "stopped at the first problem", (Problem(where, "migration", str(error)),))
    statements = sum(len(migration.steps) for migration in found)
    return Outcome("migrations", f"{len(found)} files, {statements} statements")


def packages(project: Path) -> Outcome:
    """Whether every Lambda package can be built, and fits what Lambda unpacks."""
    source = project / "files" / "lambda"
    try:
        found = build(source, project / "build" / "lambda")
    except PackagingError as error:
        return Outcome("packages", "not built", (Problem("files/lambda", "package", str(error)),))
    sizes = {package.name: sum(len(content) for content in package.files.values()) for package in found}
    layer = sizes[found[-1].name]
    problems = [
        Problem(
            f"files/lambda/{name}",
            "size",
            f"{size + layer:,} bytes with the layer; Lambda unpacks {_UNPACKED_LIMIT:,}. Take dependencies out.",
        )
        for name, size in sizes.items()
        if size + layer > _UNPACKED_LIMIT and name != found[-1].name
    ]
    largest = max(sizes.values()) / 1_000_000
    return Outcome("packages", f"{len(found)} built, the largest {largest:.1f} MB unpacked", tuple(problems))


def documentation(project: Path) -> Outcome:
    """Links between files, and the playbooks, inventories and make targets that commands name."""
    pages = [
        path
        for path in sorted(project.rglob("*.md"))
        if not _HELD_BACK & set(path.relative_to(project).parts) and path != project / "bench" / "page.md"
    ]
    targets = set(re.findall(r"^([a-z][a-z-]*):", (project / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    problems = []
    for page in pages:
        name = page.relative_to(project)
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for rule, said in _line_problems(line, page.parent, project, targets):
                problems.append(Problem(f"{name}:{number}", rule, said))
    return Outcome("documentation", f"{len(pages)} pages", tuple(problems))


def _line_problems(line: str, folder: Path, project: Path, targets: set[str]) -> Iterable[tuple[str, str]]:
    for link in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
        path = link.partition("#")[0]
        if path and not re.match(r"[a-z]+:", path) and not (folder / path).exists():
            yield "link", f"{path} is no file. Correct the link."
    for playbook in _PLAYBOOK.findall(line):
        if not (project / playbook).exists():
            yield "command", f"there is no playbook {playbook}. Correct the command."
    for inventory in _INVENTORY.findall(line):
        if not (project / inventory).exists():
            yield "command", f"there is no {inventory}. Correct the command."
    for target in _TARGET.findall(line):
        if target not in targets:
            yield "command", f"make has no target {target}. Correct the command; `make help` lists them."


def all_checks(project: Path, names: Sequence[str], **more: Callable[[], Outcome]) -> list[Outcome]:
    """Every area, then `more`, side by side. A check that breaks is a problem of its own, and hides no other."""
    areas: dict[str, Callable[[], Outcome]] = {
        "templates": lambda: templates(project),
        "inventories": lambda: inventories(project, names),
        "migrations": lambda: migrations(project),
        "packages": lambda: packages(project),
        "documentation": lambda: documentation(project),
        **more,
    }

    def carried_out(area: str, check: Callable[[], Outcome]) -> Outcome:
        try:
            return check()
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            return Outcome(area, "not finished", (Problem(area, "check", f"{type(error).__name__}: {error}"),))

    with ThreadPoolExecutor(len(areas)) as pool:
        return list(pool.map(carried_out, areas, areas.values()))


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The result for a terminal: a row an area, then each problem with its place, rule and fix."""
    width = max(len(outcome.area) for outcome in outcomes)
    lines = [f"{'Area':<{width}}  Result       Looked at"]
    for outcome in outcomes:
        count = len(outcome.problems)
        result = f"{count} wrong" if count else "not checked" if outcome.skipped else "ok"
        lines.append(f"{outcome.area:<{width}}  {result:<11}  {outcome.skipped or outcome.looked_at}")
    for outcome in outcomes:
        lines += [f"note {outcome.note}"] if outcome.note else []
        lines += [f"FAIL {problem.where} [{problem.rule}] {problem.said}" for problem in outcome.problems]
    return lines


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
