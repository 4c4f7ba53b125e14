"""What AWS's ValidateTemplate is asked, and what its answers come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.stack.errors import (
    CredentialsError,
    MissingBucketError,
    RejectedError,
    StackError,
)
from ansible_collections.concert.platform.plugins.module_utils.stack.model import TemplateLocation, TemplateReading
from ansible_collections.concert.platform.plugins.module_utils.stack.template import parse
from ansible_collections.concert.platform.plugins.module_utils.validation.aws import asked, differences

SMALL = """\
Parameters:
  Name: {Type: String}
  Secret: {Type: String, NoEcho: true}
Resources:
  Role: {Type: "AWS::IAM::Role", Properties: {RoleName: !Ref Name, AssumeRolePolicyDocument: {}}}
"""
READING = TemplateReading(("Name", "Secret"), ("Secret",), ("CAPABILITY_NAMED_IAM",))


@dataclass
class Aws:
    """AWS, which reads in each template what it is told to, or raises it."""

    answer: TemplateReading | StackError = READING
    buckets: tuple[str, ...] = ("there",)
    sent: list[TemplateLocation] = field(default_factory=list)
    objects: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def validate_template(self, location: TemplateLocation) -> TemplateReading:
        self.sent.append(location)
        if isinstance(self.answer, StackError):
            raise self.answer
        return self.answer

    def put_template(self, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        assert temporary
        if bucket not in self.buckets:
            raise MissingBucketError(f"the bucket {bucket} does not exist", "NoSuchBucket")
        self.objects[key] = body
        return f"https://s3/{bucket}/{key}"

    def drop_template(self, bucket: str, key: str) -> None:
        assert bucket in self.buckets
        del self.objects[key]
        self.removed.append(key)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two templates: one that a request carries, and one that it does not."""
    for folder, name, padding in (("iam", "small", 0), ("cloudformation", "large", 51_200)):
        (tmp_path / "files" / folder).mkdir(parents=True)
        (tmp_path / "files" / folder / f"{name}.yaml").write_text(SMALL + "#" * padding + "\n")
    return tmp_path


def test_a_large_template_goes_through_the_bucket_and_leaves_it_again(project: Path) -> None:
    aws = Aws()
    outcome = asked(project, aws, "there")
    assert (outcome.problems, outcome.note) == ((), "")
    assert outcome.looked_at == "2 templates, 1 of them through S3"
    assert [location.body is None for location in aws.sent] == [True, False]
    assert aws.objects == {}
    # Whoever may plan may write and remove this key: files/iam/deployer.yaml.
    assert [key.startswith("templates/check-") for key in aws.removed] == [True]


@pytest.mark.parametrize(
    ("bucket", "why"), [("gone", "the bucket gone does not exist"), (None, "no bucket is named")], ids=["gone", "none"]
)
def test_what_no_bucket_carries_is_not_called_sound(project: Path, bucket: str | None, why: str) -> None:
    outcome = asked(project, Aws(), bucket)
    assert outcome.looked_at == "1 of 2 templates"
    assert outcome.problems == ()
    assert "not asked about large.yaml" in outcome.note
    assert why in outcome.note
    assert "-e validate_template_bucket=NAME" in outcome.note


def test_the_upload_of_a_refused_template_is_removed_too(project: Path) -> None:
    aws = Aws(RejectedError("Template format error: no.", "ValidationError"))
    outcome = asked(project, aws, "there")
    assert [problem.where for problem in outcome.problems] == [
        "files/cloudformation/large.yaml",
        "files/iam/small.yaml",
    ]
    assert {problem.rule for problem in outcome.problems} == {"ValidateTemplate"}
    assert (aws.objects, len(aws.removed)) == ({}, 1)


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        pytest.param(CredentialsError("AWS does not accept these credentials."), "connection", id="credentials"),
        pytest.param(StackError("No AWS region is set."), "connection", id="region"),
        pytest.param(RejectedError("Not authorized.", "AccessDenied"), "permission", id="permission"),
    ],
)
def test_what_no_template_is_to_blame_for_is_told_once(project: Path, error: StackError, rule: str) -> None:
    aws = Aws(error)
    outcome = asked(project, aws, "there")
    assert [(problem.rule, problem.said) for problem in outcome.problems] == [(rule, str(error))]
    assert len(aws.sent) == 1


def test_a_template_that_nobody_can_read_stands_in_the_row_of_the_templates_alone(project: Path) -> None:
    (project / "files/iam/small.yaml").write_text("Resources: [\n")
    aws = Aws()
    assert asked(project, aws, "there").problems == ()
    assert len(aws.sent) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"parameters": ("Name",)}, "its parameters: Secret", id="parameter"),
        pytest.param({"no_echo": ()}, "what is NoEcho: Secret", id="no-echo"),
        pytest.param({"capabilities": ("CAPABILITY_AUTO_EXPAND",)}, "asks for CAPABILITY_AUTO_EXPAND", id="capability"),
    ],
)
def test_aws_reading_a_template_otherwise_is_a_problem(change: dict[str, tuple[str, ...]], said: str) -> None:
    template = parse(SMALL, "small.yaml")
    assert differences(template, READING) == []
    assert differences(template, replace(READING, capabilities=("CAPABILITY_IAM",))) == []
    [found] = differences(template, replace(READING, **change))
    assert said in found
