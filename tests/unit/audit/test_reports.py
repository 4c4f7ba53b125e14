"""Exceptions with their last days, and the report in its four forms."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.audit import exceptions, reports
from ansible_collections.concert.platform.plugins.module_utils.audit.errors import AuditError
from ansible_collections.concert.platform.plugins.module_utils.audit.model import (
    Finding,
    Judgement,
    NotChecked,
    Resource,
    Severity,
)
from ansible_collections.concert.platform.plugins.module_utils.audit.places import Templates
from ansible_collections.concert.platform.plugins.module_utils.audit.rules import RULES

RULE = {rule.id: rule for rule in RULES}
NAMES = set(RULE)
TODAY = date(2026, 11, 27)
OPEN = Finding(
    RULE["s3-encryption"],
    Resource("AWS::S3::Bucket", "concert-raw", "storage", "RawDataBucket"),
    "SSEAlgorithm = AES256 | none",
)
OTHER = Finding(RULE["key-rotation"], Resource("AWS::KMS::Key", "1111"), "EnableKeyRotation = false")


def loaded(tmp_path: Path, text: str) -> list[exceptions.Accepted]:
    file = tmp_path / "exceptions.yml"
    file.write_text(text)
    return exceptions.load(file, NAMES)


def entry(rule: str = "s3-encryption", resource: str = "concert-*", expires: str = "2026-11-27", more: str = "") -> str:
    return (
        f"exceptions:\n  - rule: {rule}\n    resource: {resource}\n    reason: a test\n    expires: {expires}\n{more}"
    )


def test_an_exception_counts_to_the_end_of_its_day(tmp_path: Path) -> None:
    accepted = loaded(tmp_path, entry())
    on_the_day = exceptions.sort([OPEN, OTHER], accepted, TODAY)
    assert on_the_day.open == (OTHER,)
    assert on_the_day.accepted == ((OPEN, accepted[0]),)
    assert not on_the_day.expired
    day_after = exceptions.sort([OPEN, OTHER], accepted, date(2026, 11, 28))
    assert day_after.open == (OPEN, OTHER)
    assert day_after.expired == tuple(accepted)


def test_an_exception_covers_its_rule_resource_and_evidence_only(tmp_path: Path) -> None:
    other_evidence = loaded(tmp_path, entry(more="    evidence: KMSMasterKeyID*\n"))
    left = exceptions.sort([OPEN], other_evidence, TODAY)
    assert left.open == (OPEN,)
    assert left.unused == tuple(other_evidence)
    assert exceptions.sort([OPEN], loaded(tmp_path, entry(resource="concert")), TODAY).open == (OPEN,)
    assert exceptions.sort([OPEN], loaded(tmp_path, entry(rule="key-rotation")), TODAY).open == (OPEN,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- rule: x", "no list `exceptions`"),
        ("exceptions: [{rule: s3-encryption}]", "exception 1 has rule; it needs rule, resource, reason, expires"),
        (entry(rule="s3-encrypted"), "rule 's3-encrypted' does not exist. The rules: "),
        (entry(expires="soon"), "expires is 'soon'; it must be a date such as 2027-06-30"),
        (entry(resource="''"), "resource is ''"),
        ("exceptions: [", "cannot be read as YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AuditError, match=r"exceptions.yml") as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)


def test_an_empty_file_accepts_nothing_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert loaded(tmp_path, "---\n") == []
    with pytest.raises(AuditError, match="does not exist"):
        exceptions.load(tmp_path / "none.yml", NAMES)


def audit(tmp_path: Path, fail_on: Severity | None = Severity.HIGH) -> reports.Audit:
    template = tmp_path / "02-storage.yaml"
    template.write_text("Parameters: {}\nResources:\n  Other: {}\n  RawDataBucket:\n    Type: AWS::S3::Bucket\n")
    refused = NotChecked(
        RULE["tls-only"], Resource("AWS::SQS::Queue", "q"), "attributes", "GetQueueAttributes: AccessDenied"
    )
    accepted = exceptions.Accepted("key-rotation", "*", "it is imported", date(2027, 1, 1))
    expired = exceptions.Accepted("s3-encryption", "*", "soon gone", date(2026, 1, 1))
    return reports.Audit(
        environment="development",
        account_id="111111111111",
        region="eu-west-1",
        at=datetime(2026, 11, 27, 8, tzinfo=UTC),
        judgement=Judgement((OPEN, OTHER), (refused,), 9, 5),
        sorted=exceptions.Sorted((OPEN,), ((OTHER, accepted),), (expired,), ()),
        missing=("tracing",),
        fail_on=fail_on,
        templates=Templates({"storage": template}, tmp_path.resolve()),
    )


def test_the_terminal_tells_finding_place_exceptions_and_what_was_not_checked(tmp_path: Path) -> None:
    text = "\n".join(line for line, _ in reports.terminal(audit(tmp_path)))
    for part in (
        "HIGH      s3-encryption",
        "concert-raw (AWS::S3::Bucket)",
        "SSEAlgorithm = AES256",
        "RawDataBucket, 02-storage.yaml:4",
        "The tracing stack does not exist",
        "have expired",
        "soon gone",
        "it is imported",
        "tls-only on q: GetQueueAttributes: AccessDenied",
        "1 finding: 1 high; 1 accepted; 8 of 9 checks made, 1 not",
    ):
        assert " ".join(part.split()) in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_sarif_has_rule_place_fingerprint_suppression_and_notification(tmp_path: Path) -> None:
    run = json.loads(reports.as_sarif(audit(tmp_path), RULES))["runs"][0]
    first, second = run["results"]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "s3-encryption"
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "02-storage.yaml"},
        "region": {"startLine": 4},
    }
    assert "suppressions" not in first
    assert second["suppressions"][0]["justification"] == "it is imported (to 2027-01-01)"
    assert first["partialFingerprints"] != second["partialFingerprints"]
    assert "AccessDenied" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_json_and_markdown_hold_the_same(tmp_path: Path) -> None:
    data = json.loads(reports.as_json(audit(tmp_path)))
    assert data["failed"] is True
    assert [finding["id"] for finding in data["findings"]] == ["s3-encryption"]
    assert data["accepted"][0]["reason"] == "it is imported"
    assert data["not_checked"][0]["fact"] == "attributes"
    text = reports.as_markdown(audit(tmp_path))
    assert "`SSEAlgorithm = AES256 \\| none`" in text
    assert "## Not checked" in text


@pytest.mark.parametrize(
    ("fail_on", "failing"), [(Severity.CRITICAL, 0), (Severity.HIGH, 1), (Severity.LOW, 1), (None, 0)]
)
def test_severity_decides_whether_it_fails(tmp_path: Path, fail_on: Severity | None, failing: int) -> None:
    assert len(audit(tmp_path, fail_on).failing) == failing
