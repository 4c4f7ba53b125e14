"""The tools side by side: what each needs on disk, and the command that brings a set of stacks to its desired state."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.aws import Aws
from bench.platform import ROOT, TAGS, TEMPLATES, Stacks, builds_on, template, template_path

PLAYBOOKS = ROOT / "bench" / "playbooks"
INLINE_LIMIT = 51_200
#: Tool → what it is called.
TITLES = {
    "noop": "no-op tasks (Ansible alone)",
    "ours": "concert.platform.stack",
    "stock": "amazon.aws.cloudformation",
    "cli": "AWS CLI deploy",
    "sceptre": "Sceptre",
}


class EngineError(Exception):
    """A tool did not do its work; the message ends with what it said."""


@dataclass(frozen=True)
class Engine:
    """One tool. `prepare` writes its files for a set of stacks into a directory and returns the command; `deploys` is
    false for the one that only shows what Ansible costs."""

    key: str
    prepare: Callable[[Stacks, Path, Aws], list[str]]
    deploys: bool = True

    @property
    def title(self) -> str:
        """What it is called."""
        return TITLES[self.key]

    def command(self, stacks: Stacks, directory: Path, aws: Aws) -> list[str]:
        """Write the tool's files for `stacks`; its command."""
        directory.mkdir(parents=True, exist_ok=True)
        return self.prepare(stacks, directory, aws)


def environment(aws: Aws) -> dict[str, str]:
    """The caller's environment with AWS pointed at the embedded one, and nothing of the caller's own AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_", "SCEPTRE_"))}
    return kept | dict(aws.environment) | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}


def _playbook(name: str) -> Callable[[Stacks, Path, Aws], list[str]]:
    def prepare(stacks: Stacks, directory: Path, aws: Aws) -> list[str]:
        variables = {
            "bench_stacks": {layer: _ansible_stack(stacks, layer, aws) for layer in TEMPLATES},
            "bench_order": list(TEMPLATES),
            "bench_bucket": aws.bucket,
            "bench_tags": TAGS,
            # The stock module is shipped to an interpreter; a pyenv shim may be found that does not run.
            "ansible_python_interpreter": sys.executable,
        }
        file = directory / "variables.json"
        file.write_text(json.dumps(variables), encoding="utf-8")
        playbook = str(Path(sys.executable).parent / "ansible-playbook")
        return [playbook, "-i", "localhost,", "-c", "local", "-e", f"@{file}", str(PLAYBOOKS / name)]

    return prepare


def _ansible_stack(stacks: Stacks, layer: str, aws: Aws) -> dict[str, object]:
    found: dict[str, object] = {
        "name": stacks.name(layer),
        "template": str(template_path(layer)),
        "parameters": stacks.parameters(layer),
    }
    if template(layer).size > INLINE_LIMIT:
        found["template_url"] = aws.template_url(layer)
    return found


def _cli(program: Path) -> Callable[[Stacks, Path, Aws], list[str]]:
    def prepare(stacks: Stacks, directory: Path, aws: Aws) -> list[str]:
        lines = ["set -e"]
        for layer in TEMPLATES:
            command = [
                *(str(program), "cloudformation", "deploy", "--stack-name", stacks.name(layer)),
                *("--template-file", str(template_path(layer)), "--capabilities", "CAPABILITY_NAMED_IAM"),
                *("--no-fail-on-empty-changeset", "--tags", *(f"{key}={value}" for key, value in TAGS.items())),
                *("--parameter-overrides", *(f"{key}={value}" for key, value in stacks.parameters(layer).items())),
            ]
            if template(layer).size > INLINE_LIMIT:
                command += ["--s3-bucket", aws.bucket]
            lines.append(shlex.join(command))
        script = directory / "deploy.sh"
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ["bash", str(script)]

    return prepare


def _sceptre(program: Path) -> Callable[[Stacks, Path, Aws], list[str]]:
    def prepare(stacks: Stacks, directory: Path, aws: Aws) -> list[str]:
        (directory / "config" / "stacks").mkdir(parents=True, exist_ok=True)
        (directory / "templates").mkdir(exist_ok=True)
        (directory / "config" / "config.yaml").write_text(
            yaml.safe_dump({"project_code": "bench", "region": aws.region}), encoding="utf-8"
        )
        for layer, file in TEMPLATES.items():
            link = directory / "templates" / file
            link.unlink(missing_ok=True)
            link.symlink_to(template_path(layer))
            stack: dict[str, object] = {
                "template": {"path": file, "type": "file"},
                "stack_name": stacks.name(layer),
                "parameters": stacks.parameters(layer),
                "stack_tags": dict(TAGS),
                "dependencies": [f"stacks/{other}.yaml" for other in builds_on(layer)],
            }
            if template(layer).size > INLINE_LIMIT:
                stack["template_bucket_name"] = aws.bucket
            (directory / "config" / "stacks" / f"{layer}.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
        return [str(program), "--dir", str(directory), "--no-colour", "launch", "-y", "stacks"]

    return prepare


def engines(tools: Path) -> tuple[Engine, ...]:
    """All of them, making what they need under `tools` first."""
    cli, sceptre = _environment(tools, "awscli"), _environment(tools, "sceptre")
    return (
        Engine("noop", _playbook("noop.yml"), deploys=False),
        Engine("ours", _playbook("stack.yml")),
        Engine("stock", _playbook("stock.yml")),
        Engine("cli", _cli(cli / "bin" / "aws")),
        Engine("sceptre", _sceptre(sceptre / "bin" / "sceptre")),
    )


def _environment(tools: Path, name: str) -> Path:
    """A virtual environment of its own for a tool, from its lock file; made again when that changes."""
    directory, requirements = tools / name, ROOT / "bench" / f"{name}-requirements.txt"
    done = directory / ".made-from"
    if done.exists() and done.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
        return directory
    print(f"Making the environment of {name} in {directory.relative_to(ROOT)}", flush=True)
    _quietly([sys.executable, "-m", "venv", "--clear", str(directory)])
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    _quietly([*pip, "-r", str(requirements)])
    done.write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    return directory


def _quietly(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise EngineError(f"{shlex.join(command)} failed:\n{run.stderr.strip() or run.stdout.strip()}")


def versions(tools: Path) -> Mapping[str, str]:
    """Tool → the version that its environment holds."""
    ask = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    found: dict[str, str] = {}
    for python, names in (
        (sys.executable, ("ansible-core", "ansible")),
        (str(tools / "awscli" / "bin" / "python"), ("awscli",)),
        (str(tools / "sceptre" / "bin" / "python"), ("sceptre",)),
    ):
        told = subprocess.run([python, "-c", ask, *names], capture_output=True, text=True, check=True).stdout.split()
        found |= dict(zip(names, told, strict=True))
    return found
