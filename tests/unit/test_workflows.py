"""The workflows of GitHub Actions: what they use is pinned, what they may is little, and what they run exists.

tests/soak/test_workflows.py runs their steps.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: What a job may beyond reading the repository, and what it may not do without.
MAY = {
    "deploy": {"id-token": "write"},
    "nightly": {"id-token": "write", "security-events": "write"},
    "plan": {"id-token": "write", "pull-requests": "write"},
    "test": {},
}
_USES = re.compile(r"^\s*(?:- )?uses:\s*(\S+)(.*)$")
_PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
_VERSION = re.compile(r" # v\d+\.\d+\.\d+")


def read(path: Path) -> dict[str, Any]:
    """A workflow as data; `on` is a word here, not YAML 1.1's true."""
    told: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return told


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read(path)["jobs"].items()


def scripts() -> Iterator[Any]:
    for path in WORKFLOWS:
        for job, told in jobs(path):
            for number, step in enumerate(told["steps"]):
                if "run" in step:
                    name = step.get("name", str(number))
                    yield pytest.param(told, step, id=f"{path.stem}-{job}-{name}")


def values(text: str, job: dict[str, Any]) -> Iterator[str]:
    """The text with each value that its matrix or its job's variables can have."""
    known = {f"${name}": str(value) for name, value in job.get("env", {}).items()}
    matrix = job.get("strategy", {}).get("matrix", {})
    for chosen in product(*matrix.values()):
        said = text
        for name, value in known.items():
            said = said.replace(name, value)
        for name, value in zip(matrix, chosen, strict=True):
            said = said.replace(f"${{{{ matrix.{name} }}}}", value)
        yield said


def test_the_workflows_are_known() -> None:
    assert [path.stem for path in WORKFLOWS] == sorted(MAY)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    uses = [match for line in path.read_text(encoding="utf-8").splitlines() if (match := _USES.match(line))]
    assert uses
    for match in uses:
        assert _PINNED.fullmatch(match[1]), match[0]
        assert _VERSION.fullmatch(match[2]), match[0]


def test_an_action_has_one_version() -> None:
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: (\S+)@(\S+ # \S+)", path.read_text(encoding="utf-8")):
            found.setdefault(action, set()).add(pin)
    assert {action: len(pins) for action, pins in found.items() if len(pins) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_may_no_more_than_it_needs(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}
    for _, job in jobs(path):
        expected = {"contents": "read", **MAY[path.stem]}
        assert job.get("permissions", {"contents": "read"}) == expected
        assert int(job["timeout-minutes"]) <= 120
        assert job["runs-on"] == "ubuntu-24.04"
        uses = {step["uses"].partition("@")[0]: step.get("with", {}) for step in job["steps"] if "uses" in step}
        assert uses["actions/checkout"]["persist-credentials"] == "false"
        # Whoever takes a role does it with a token of an environment, whose protection rules so apply.
        assert ("aws-actions/configure-aws-credentials" in uses) == ("id-token" in expected) == ("environment" in job)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_key_is_stored(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert not re.search(r"aws-access-key-id|aws-secret-access-key|AKIA[0-9A-Z]{16}", text)


def test_no_pull_request_runs_with_the_rights_of_the_repository() -> None:
    for path in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(read(path)["on"])


@pytest.mark.parametrize(("job", "step"), [*scripts()])
def test_a_step_is_a_sound_script_without_values_pasted_into_it(job: dict[str, Any], step: dict[str, Any]) -> None:
    checked = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    # What an expression gives becomes part of the script; an environment variable stays a value.
    assert "${{" not in step["run"]
    # GitHub's shell has no pipefail unless it is named, so that a pipe would hide a failure.
    assert "|" not in re.sub(r'"\$\([^)]*\)"', "", step["run"].replace("||", ""))


@pytest.mark.parametrize(("job", "step"), [*scripts()])
def test_what_a_step_names_exists(job: dict[str, Any], step: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z$(][\w./$()-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    script = step["run"].replace("\\\n", " ")
    named = re.findall(r"^\s*make ([\w./-]+)", script, re.MULTILINE)
    assert {name.replace(".venv", "$(VENV)") for name in named} <= targets
    playbooks = re.findall(r"ansible-playbook (\S+\.yml)", script)
    assert [name for name in playbooks if not (ROOT / name).exists()] == []
    programs = re.findall(r"(?:^|\s)((?:tools|\.ci)/[\w./-]+)", script)
    assert [name for name in programs if not os.access(ROOT / name, os.X_OK)] == []
    assert named or playbooks or programs or re.search(r"\bgh api\b", script)


def test_the_inventories_that_are_chosen_exist() -> None:
    chosen: set[str] = set()
    for path in WORKFLOWS:
        on = read(path)["on"]
        if on.get("workflow_dispatch"):
            choice = on["workflow_dispatch"]["inputs"]["inventory"]
            chosen |= {*choice["options"], choice["default"]}
            assert choice["default"] in choice["options"]
        for _, job in jobs(path):
            chosen |= set(job.get("strategy", {}).get("matrix", {}).get("inventory", []))
    assert chosen
    assert [name for name in chosen if not (ROOT / "inventories" / name / "hosts.yml").exists()] == []


def test_the_pythons_are_those_that_the_project_supports() -> None:
    found = set()
    for path in WORKFLOWS:
        for _, job in jobs(path):
            for step in job["steps"]:
                version = step.get("with", {}).get("python-version")
                found |= set(values(version, job)) if version else set()
    assert found == {"3.11", "3.14"}
