"""The steps of the workflows, run in a clone by the roles that GitHub Actions takes, on an embedded AWS.

What a runner brings is stood in for: checkout and Python are there, configure-aws-credentials takes the role with a
token of the job's environment, and `gh` writes down what it is asked. The rest is the workflows' own: their scripts,
environment variables and conditions. IAM is enforced, so that the two roles of files/pipelines are proved to suffice.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local_aws import launcher
from local_aws.state import State
from tests.integration.test_pipeline_roles import token

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "222222222222"
REPOSITORY = "someone/platform"
#: Writes down its arguments, and each file that an argument names with @; answers a listing with `comments`.
GH = """\
#!/usr/bin/env python3
import json, pathlib, sys
arguments = [
    name + "=" + pathlib.Path(value[1:]).read_text() if value.startswith("@") else argument
    for argument in sys.argv[1:] for name, _, value in [argument.partition("=")]
]
here = pathlib.Path(__file__).parent
with (here / "gh.jsonl").open("a") as log:
    log.write(json.dumps(arguments) + "\\n")
if "--paginate" in arguments:
    print((here / "comments").read_text(), end="")
"""


@dataclass
class Runner:
    """One clone on one machine, as GitHub Actions gives it to a job."""

    clone: Path
    tools: Path
    endpoint_url: str
    roles: dict[str, str] = field(default_factory=dict)

    def client(self, service: str, **credentials: str) -> Any:
        session: Any = boto3.session.Session()
        given = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "test", **credentials}
        return session.client(service, endpoint_url=self.endpoint_url, region_name="us-east-1", **given)

    def job(self, workflow: str, job: str, **values: str) -> tuple[int, str]:
        """Runs the job's steps; the code of the first that failed, or 0, and what all printed.

        `values`: what the expressions of the workflow give, by their text.
        """
        told = yaml.load((self.clone / f".github/workflows/{workflow}.yml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506
        described = told["jobs"][job]
        known = {"github.token": "ghs_standin", **values}
        environment = {name: filled(value, known) for name, value in described.get("env", {}).items()}
        known |= {f"env.{name}": value for name, value in environment.items()}
        code, output = 0, ""
        for step in described["steps"]:
            if code and step.get("if") != "always()":
                continue
            if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
                environment |= self.credentials(filled(described["environment"], known))
            if "run" in step:
                mine = {name: filled(value, known) for name, value in step.get("env", {}).items()}
                ran = self.script(step["run"], {**environment, **mine})
                output += ran.stdout
                code = code or ran.returncode
        return code, output

    def credentials(self, environment: str) -> dict[str, str]:
        """What the action leaves in the environment of the steps after it."""
        answer = self.client("sts").assume_role_with_web_identity(
            RoleArn=self.roles[environment],
            RoleSessionName="GitHubActions",
            WebIdentityToken=token(f"repo:{REPOSITORY}:environment:{environment}"),
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def script(self, text: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """A step, in the shell that GitHub Actions gives it."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=self.clone,
            env={
                **kept,
                "PATH": f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "GITHUB_REPOSITORY": REPOSITORY,
                "GITHUB_SHA": "0" * 40,
                "GITHUB_REF": "refs/heads/main",
                "ANSIBLE_NOCOLOR": "1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    def told_github(self) -> list[list[str]]:
        """What `gh` was asked since the last time."""
        log = self.tools / "gh.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


def filled(text: str, known: Mapping[str, str]) -> str:
    """The text with its expressions evaluated; `a || 'b'` gives b where a is not known."""

    def value(match: re.Match[str]) -> str:
        first, _, other = (part.strip() for part in match[1].partition("||"))
        return known.get(first) or other.strip("'") or pytest.fail(f"nothing is known of {match[0]}")

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def stack(runner: Runner, name: str, template: str, **parameters: str) -> dict[str, str]:
    """What an administrator deploys once; its outputs."""
    cloudformation = runner.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "files" / template).read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    [made] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    state = State(tmp_path_factory.mktemp("aws"))
    clone, tools = tmp_path_factory.mktemp("runner") / "platform", tmp_path_factory.mktemp("tools")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    # The virtual environment is this one's: newer than all that it is made from, so that make leaves it alone.
    (clone / ".venv").symlink_to((ROOT / ".venv").resolve())
    for name in ("requirements.txt", "requirements-dev.txt", "tools/find_python.sh"):
        os.utime(clone / name, (0, 0))
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    (tools / "comments").write_text("")
    launcher.start(state)
    runner = Runner(clone, tools, str(launcher.status(state)["endpoint_url"]))
    # Where the API answers is the one thing that an inventory must say of this AWS.
    (clone / "inventories/staging/group_vars/all/embedded.yml").write_text(
        yaml.safe_dump({"platform_api_url_format": runner.endpoint_url + "/_aws/execute-api/{api_id}/{stage}"})
    )
    deployer = stack(runner, "concert-deployer-staging", "iam/deployer.yaml", Environment="staging")
    policies = [arn for key, arn in deployer.items() if key.endswith("PolicyArn")]
    pipelines = stack(
        runner,
        "concert-platform-pipelines",
        "pipelines/github-oidc.yaml",
        Repository=REPOSITORY,
        DeployerPolicyArns=",".join(policies),
    )
    runner.roles = {"staging": pipelines["DeployRoleArn"], "plan-staging": pipelines["PlanRoleArn"]}
    yield runner
    launcher.stop(state)


def test_a_push_deploys_and_verifies_staging(runner: Runner) -> None:
    code, output = runner.job("deploy", "deploy")
    assert code == 0, output[-6000:]
    assert "The Concert Data Platform is up: staging" in output


def test_a_pull_request_s_plan_becomes_a_comment_and_changes_nothing(runner: Runner) -> None:
    template = runner.clone / "files/cloudformation/05-monitoring-observability.yaml"
    before = template.read_text()
    template.write_text(before.replace("\nOutputs:\n", "\nOutputs:\n  More:\n    Value: !Ref Environment\n"))
    migration = runner.clone / "files/redshift/migrations" / "0099_more.sql"
    number = len(list(migration.parent.glob("0*.sql"))) + 1
    migration = migration.with_name(f"{number:04d}_more.sql")
    migration.write_text("CREATE TABLE concert_dw.more (id VARCHAR(64));\n")
    stacks = runner.client("cloudformation").describe_stacks()["Stacks"]
    code, output = runner.job(
        "plan", "plan", **{"matrix.inventory": "staging", "github.event.pull_request.number": "7"}
    )
    template.write_text(before)
    migration.unlink()
    assert code == 0, output[-6000:]
    listing, comment = runner.told_github()
    assert listing[:2] == ["api", f"repos/{REPOSITORY}/issues/7/comments"]
    assert comment[:4] == ["api", "--method", "POST", f"repos/{REPOSITORY}/issues/7/comments"]
    [body] = [argument for argument in comment if argument.startswith("body=")]
    assert body.startswith("body=<!-- plan of staging -->\n## Plan of `staging`\n### Plan for `staging`")
    assert "Resources: 0 to add, 0 to change, 0 to replace, 0 to remove." in body
    assert "NOT complete" not in body
    assert f"run {number:04d}\\_more.sql" in body
    assert "the ledger was not asked" in body
    assert runner.client("cloudformation").describe_stacks()["Stacks"] == stacks
    left = runner.client("s3").list_object_versions(
        Bucket=f"concert-lambda-deployment-staging-{ACCOUNT}", Prefix="templates/check-"
    )
    assert left.get("Versions", []) == []


def test_the_next_push_replaces_the_comment(runner: Runner) -> None:
    (runner.tools / "comments").write_text("41\n42\n")
    ran = runner.script("tools/comment_plan.sh staging 7", {"GH_TOKEN": "ghs_standin"})
    (runner.tools / "comments").write_text("")
    assert ran.returncode == 0, ran.stdout
    comment = runner.told_github()[-1]
    assert comment[:4] == ["api", "--method", "PATCH", f"repos/{REPOSITORY}/issues/comments/41"]


def test_a_comment_that_is_too_long_is_cut_at_a_line_and_says_so(runner: Runner) -> None:
    plan = runner.clone / "reports/staging/plan/plan.md"
    before = plan.read_text()
    plan.write_text(before + "- …a line of the plan\n" * 4000)
    ran = runner.script("tools/comment_plan.sh staging 7", {"GH_TOKEN": "ghs_standin"})
    plan.write_text(before)
    assert ran.returncode == 0, ran.stdout
    [body] = [argument for argument in runner.told_github()[-1] if argument.startswith("body=")]
    assert len(body.encode()) < 65_536
    *_, last, _, closed, _, said = body.splitlines()
    assert (last, closed) == ("- …a line of the plan", "</details>")
    assert said.startswith("… cut here")


def test_the_night_finds_neither_drift_nor_danger_and_shows_it(runner: Runner) -> None:
    code, output = runner.job("nightly", "look", **{"matrix.inventory": "staging"})
    assert code == 0, output[-6000:]
    [sent] = runner.told_github()
    assert sent[:4] == ["api", "--method", "POST", f"repos/{REPOSITORY}/code-scanning/sarifs"]
    [sarif] = [argument.removeprefix("sarif=") for argument in sent if argument.startswith("sarif=")]
    document = json.loads(gzip.decompress(base64.b64decode(sarif)))
    [run] = document["runs"]
    assert run["automationDetails"]["id"] == "concert-audit/staging/us-east-1/"
    unasked = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    # Whoever may read how old the API key is may read the key.
    assert [text for text in unasked if "GetApiKey: AccessDenied" not in text] == []
    drift = json.loads((runner.clone / "reports/staging/drift/drift.json").read_text())
    denied = [one for area in drift["areas"] for one in area["not_checked"] if "AccessDenied" in json.dumps(one)]
    # The warehouse's catalog is read as its admin, whom whoever plans shall not be.
    assert [one["name"] for one in denied] == ["warehouse"], json.dumps(denied, indent=1)


def test_the_night_fails_on_a_drift_and_audits_all_the_same(runner: Runner) -> None:
    lambdas = runner.client("lambda")
    lambdas.update_function_configuration(FunctionName="concert-api-chatbot-staging", Timeout=3)
    code, output = runner.job("nightly", "look", **{"matrix.inventory": "staging"})
    assert code != 0
    assert "Timeout" in output
    assert len(runner.told_github()) == 1


def test_whoever_plans_may_not_deploy(runner: Runner) -> None:
    ran = runner.script(
        "ansible-playbook site.yml -i inventories/staging --tags monitoring -e monitoring_budget_usd=12345",
        runner.credentials("plan-staging"),
    )
    assert ran.returncode != 0
    assert "not authorized to perform" in ran.stdout
    [made] = runner.client("cloudformation").describe_stacks(StackName="concert-platform-monitoring-staging")["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"
