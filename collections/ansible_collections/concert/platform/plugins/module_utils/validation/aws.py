"""Asks AWS's own ValidateTemplate about every template, and whether AWS reads in it what this project reads.

ValidateTemplate looks at a template alone: no parameter values, no account's quotas, no existing stack. A request
carries at most 51,200 bytes; a larger template goes through a bucket, under a key of its own that is removed again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..stack.errors import MissingBucketError, RejectedError, StackError, TemplateError
from ..stack.model import TemplateLocation, TemplateReading
from ..stack.template import INLINE_LIMIT, Template, parse
from .checks import Outcome, Problem, template_files

_AREA = "AWS"
_RULE = "ValidateTemplate"


class Gateway(Protocol):
    """What is needed of AWS; raises the stack engine's errors."""

    def validate_template(self, location: TemplateLocation) -> TemplateReading:
        """What AWS reads in the template. RejectedError if it refuses it."""

    def put_template(self, bucket: str, key: str, body: str, *, temporary: bool) -> str:
        """Upload; the URL that CloudFormation reads. MissingBucketError without the bucket."""

    def drop_template(self, bucket: str, key: str) -> None:
        """Remove a temporary upload for good."""


def asked(project: Path, aws: Gateway, bucket: str | None) -> Outcome:
    """The row that tells what AWS says of the templates.

    `bucket`: what those over 51,200 bytes go through; without it AWS is not asked about them, and a note says so.
    Credentials or an endpoint that do not work end it with one problem: no template is to blame.
    """
    problems: list[Problem] = []
    larger: list[str] = []
    files = template_files(project)
    through = 0
    for path in files:
        name = str(path.relative_to(project))
        try:
            template = parse(path.read_text(encoding="utf-8"), name)
            if template.size <= INLINE_LIMIT:
                reading = aws.validate_template(TemplateLocation(body=template.text))
            elif bucket is None:
                larger.append(path.name)
                continue
            else:
                reading = _through(aws, bucket, template)
                through += 1
        except TemplateError:
            # It stands in the row of the templates, with its line.
            continue
        except MissingBucketError:
            larger.append(path.name)
        except RejectedError as error:
            if error.code in ("AccessDenied", "AccessDeniedException"):
                return Outcome(_AREA, "these credentials may not ask", (Problem(_AREA, "permission", str(error)),))
            problems.append(Problem(name, _RULE, str(error)))
        except StackError as error:
            return Outcome(_AREA, "not reached", (Problem(_AREA, "connection", str(error)),))
        else:
            problems += [Problem(name, _RULE, said) for said in differences(template, reading)]
    said = f"{len(files)} templates, {through} of them through S3"
    if not larger:
        return Outcome(_AREA, said, tuple(problems))
    missing = f"the bucket {bucket} does not exist" if bucket else "no bucket is named"
    note = (
        f"AWS was not asked about {', '.join(larger)}: over {INLINE_LIMIT:,} bytes, and {missing}. The storage stack "
        "makes it; another of that region is taken with -e validate_template_bucket=NAME."
    )
    return Outcome(_AREA, f"{len(files) - len(larger)} of {len(files)} templates", tuple(problems), note=note)


def _through(aws: Gateway, bucket: str, template: Template) -> TemplateReading:
    """The name is one that a plan's upload has too, so that whoever may plan may validate."""
    key = f"templates/check-validate-{uuid.uuid4().hex[:12]}.yaml"
    url = aws.put_template(bucket, key, template.text, temporary=True)
    try:
        return aws.validate_template(TemplateLocation(url=url))
    finally:
        aws.drop_template(bucket, key)


def differences(template: Template, reading: TemplateReading) -> Sequence[str]:
    """Where AWS reads a template otherwise than the stack engine: it would be refused, or would show a secret."""
    found = []
    if set(reading.parameters) != set(template.parameters):
        only = sorted(set(reading.parameters) ^ set(template.parameters))
        found.append(
            f"AWS and the stack engine differ in its parameters: {', '.join(only)}. Correct their declarations."
        )
    if set(reading.no_echo) != set(template.no_echo):
        only = sorted(set(reading.no_echo) ^ set(template.no_echo))
        found.append(f"AWS and the stack engine differ in what is NoEcho: {', '.join(only)}. Write NoEcho: true.")
    # CAPABILITY_NAMED_IAM acknowledges what CAPABILITY_IAM does.
    sent = {*template.capabilities, *(["CAPABILITY_IAM"] if "CAPABILITY_NAMED_IAM" in template.capabilities else [])}
    if missing := sorted(set(reading.capabilities) - sent):
        found.append(
            f"AWS asks for {', '.join(missing)}; the stack engine would acknowledge "
            f"{', '.join(template.capabilities) or 'nothing'}. Its list of IAM types is out of date: report it."
        )
    return found
