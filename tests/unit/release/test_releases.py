from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.release import compare, live, migrations
from ansible_collections.concert.platform.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.concert.platform.plugins.module_utils.release.model import (
    MigrationRecord,
    Release,
    StackRecord,
    require_id,
)
from ansible_collections.concert.platform.plugins.module_utils.release.order import Wiring, order, wiring
from ansible_collections.concert.platform.plugins.module_utils.release.store import ReleaseStore, digest_of
from ansible_collections.concert.platform.plugins.module_utils.stack.model import Stack, StackStatus
from botocore.exceptions import ClientError

PRODUCER = """
Parameters: {Env: {Type: String}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Env}}
Outputs:
  QueueArn: {Value: !GetAtt Queue.Arn, Export: {Name: !Sub "${AWS::StackName}-QueueArn"}}
"""
CONSUMER = """
Parameters: {Producer: {Type: String}, CodeKey: {Type: String}, Password: {Type: String, NoEcho: true}}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: {"Fn::ImportValue": !Sub "${Producer}-QueueArn"}}
"""


def stack(name: str, template: str, **parameters: str) -> StackRecord:
    return StackRecord(name, digest_of(template), parameters)


def release(**stacks: StackRecord) -> Release:
    return Release("development", "0" * 12, "us-east-1", datetime(2026, 11, 27, 6, 45, tzinfo=UTC), "me", stacks)


A = release(networking=stack("net", PRODUCER, Env="dev"), compute=stack("app", CONSUMER, Producer="net", CodeKey="f/1"))


class TestManifest:
    def test_it_reads_what_it_wrote(self) -> None:
        full = replace(
            A,
            migrations=(MigrationRecord("0001_a.sql", "c", True),),
            revision="abc",
            dirty=True,
            rolled_back_to="20261127T064500Z-1a2b3c4d",
        )
        assert Release.from_json(full.to_json(), "here") == full

    def test_the_same_content_at_another_time_by_another_person_has_the_same_end(self) -> None:
        later = replace(A, recorded_at=datetime(2027, 1, 1, tzinfo=UTC), recorded_by="you", revision="other")
        assert (later.digest, later.id[-8:]) == (A.digest, A.id[-8:])
        assert later.id > A.id

    @pytest.mark.parametrize(
        "other",
        [
            replace(A, migrations=(MigrationRecord("0001_a.sql", "c"),)),
            replace(A, stacks={**A.stacks, "networking": replace(A.stacks["networking"], tags={"a": "b"})}),
            replace(A, stacks={"networking": A.stacks["networking"]}),
        ],
    )
    def test_other_content_is_another_release(self, other: Release) -> None:
        assert other.digest != A.digest

    @pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 2}'])
    def test_what_is_no_manifest_is_refused_by_its_place(self, text: str) -> None:
        with pytest.raises(ReleaseError, match="s3://bucket/key"):
            Release.from_json(text, "s3://bucket/key")

    def test_an_id_is_checked_before_it_becomes_a_key(self) -> None:
        with pytest.raises(ReleaseError, match=r"release is '\.\./x'.*releases\.yml"):
            require_id("../x")


class TestOrder:
    def test_forward_where_nothing_stands_in_the_way(self) -> None:
        both = {"networking": Wiring(frozenset("e")), "compute": Wiring(imports=frozenset("e"))}
        assert order(both, both) == ["networking", "compute"]

    def test_a_producer_that_drops_an_export_goes_after_its_user(self) -> None:
        now = {"networking": Wiring(frozenset("ab")), "compute": Wiring(imports=frozenset("ab"))}
        then = {"networking": Wiring(frozenset("a")), "compute": Wiring(imports=frozenset("a"))}
        assert order(now, then) == ["compute", "networking"]

    def test_a_producer_that_regains_an_export_goes_before_its_user(self) -> None:
        now = {"networking": Wiring(frozenset("a")), "compute": Wiring(imports=frozenset("a"))}
        then = {"networking": Wiring(frozenset("ab")), "compute": Wiring(imports=frozenset("ab"))}
        assert order(now, then) == ["networking", "compute"]

    def test_what_cannot_go_one_by_one_is_refused_with_the_obstacles(self) -> None:
        now = {"networking": Wiring(frozenset("a")), "compute": Wiring(imports=frozenset("a"))}
        then = {"networking": Wiring(frozenset("b")), "compute": Wiring(imports=frozenset("b"))}
        with pytest.raises(ReleaseError, match=r"networking would drop a \(used by compute\); compute needs b"):
            order(now, then)

    def test_a_stack_outside_the_release_still_counts_as_a_user(self) -> None:
        now = {"networking": Wiring(frozenset("a")), "tracing": Wiring(imports=frozenset("a"))}
        with pytest.raises(ReleaseError, match="used by tracing"):
            order(now, {"networking": Wiring()})

    def test_wiring_is_read_from_templates_under_their_parameters(self) -> None:
        assert wiring(A.stacks["networking"], PRODUCER) == Wiring(exports=frozenset({"net-QueueArn"}))
        assert wiring(A.stacks["compute"], CONSUMER) == Wiring(imports=frozenset({"net-QueueArn"}))


class TestComparison:
    NEW = PRODUCER.replace("Queue: {Type", "Other: {Type: AWS::SNS::Topic}\n  Queue: {Type")
    B = replace(
        A,
        stacks={
            "networking": stack("net", NEW, Env="prod"),
            "compute": stack("app", CONSUMER, Producer="net", CodeKey="f/2"),
        },
        migrations=(MigrationRecord("0001_a.sql", "c", True),),
    )

    def test_the_overview_counts_by_layer(self) -> None:
        assert compare.overview(A, self.B) == "networking: template, 1 parameter; compute: 1 package; 1 migration"
        assert compare.overview(None, A) == "first release: 2 stacks"
        assert compare.overview(A, A) == "nothing"

    def test_the_difference_names_resources_properties_values_and_migrations(self) -> None:
        texts = {digest_of(text): text for text in (PRODUCER, self.NEW, CONSUMER)}
        told = "\n".join(compare.difference(A, self.B, texts))
        assert "create Other (AWS::SNS::Topic)" in told
        assert "modify Queue (AWS::SQS::Queue): QueueName" in told
        assert "parameter Env: dev -> prod" in told
        assert "package CodeKey: f/1 -> f/2" in told
        assert "applied 0001_a.sql (breaking)" in told
        assert compare.difference(A, A, texts) == []


class TestMigrations:
    def test_a_directory_tells_names_checksums_and_what_breaks(self, tmp_path: Path) -> None:
        (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\r\n")
        (tmp_path / "0002_b.sql").write_text("-- concert: breaking\nSELECT 1;\n")
        first, second = migrations.of_directory(tmp_path)
        (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\n")
        assert first == migrations.of_directory(tmp_path)[0]
        assert (first.breaking, second.breaking) == (False, True)

    def test_what_the_newest_release_did_not_have_is_pending(self) -> None:
        had = replace(A, migrations=(MigrationRecord("0001_a.sql", "1"), MigrationRecord("R__view.sql", "v")))
        files = [MigrationRecord(name, "1") for name in ("0001_a.sql", "0002_b.sql")] + [
            MigrationRecord("R__view.sql", "w")
        ]
        assert migrations.pending(files, had) == ["0002_b.sql", "R__view.sql"]
        assert migrations.pending(had.migrations, had) == []
        # Before the first release all are.
        assert migrations.pending(files, None) == ["0001_a.sql", "0002_b.sql", "R__view.sql"]

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ([MigrationRecord("0001_a.sql", "2")], f"0001_a.sql was edited since release {A.id[:9]}"),
            ([MigrationRecord("0001_b.sql", "1")], "0001_a.sql is gone, or has another name, since release"),
        ],
    )
    def test_a_plan_refuses_what_a_run_would(self, files: list[MigrationRecord], said: str) -> None:
        had = replace(A, migrations=(MigrationRecord("0001_a.sql", "1"),))
        with pytest.raises(ReleaseError, match=said):
            migrations.pending(files, had)

    def test_newer_ones_are_judged_by_the_files_then_by_other_releases(self) -> None:
        target = replace(A, migrations=(MigrationRecord("0001_a.sql", "c"),))
        other = replace(A, migrations=(MigrationRecord("0003_c.sql", "c", True),))
        files = [MigrationRecord("0002_b.sql", "c", False)]
        applied = ["0004_d.sql", "0003_c.sql", "0002_b.sql", "0001_a.sql"]
        told = migrations.newer(target, applied, files, [other])
        assert [(m.file_name, m.breaking) for m in told] == [
            ("0002_b.sql", False),
            ("0003_c.sql", True),
            ("0004_d.sql", None),
        ]


class Aws:
    """S3 and SSM in a dictionary. `log`: what was written, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self.log: list[str] = []

    def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {}

    def head_object(self, **asked: Any) -> dict[str, Any]:
        return {} if asked["Key"] in self.objects else self._absent("404")

    def get_object(self, **asked: Any) -> dict[str, Any]:
        text = self.objects.get(asked["Key"])
        return self._absent("NoSuchKey") if text is None else {"Body": BytesIO(text.encode())}

    def put_object(self, **asked: Any) -> None:
        self.objects[asked["Key"]] = asked["Body"].decode()
        self.log.append(asked["Key"])

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]) and "/" not in key[9:])
        start = int(asked.get("ContinuationToken", 0))
        page: dict[str, Any] = {"Contents": [{"Key": key} for key in keys[start : start + 1]]}
        return page | ({"NextContinuationToken": str(start + 1)} if start + 1 < len(keys) else {})

    def get_parameter(self, **asked: Any) -> dict[str, Any]:
        if asked["Name"] not in self.parameters:
            self._absent("ParameterNotFound")
        return {"Parameter": {"Value": self.parameters[asked["Name"]]}}

    def put_parameter(self, **asked: Any) -> None:
        self.parameters[asked["Name"]] = asked["Value"]
        self.log.append(asked["Name"])

    @staticmethod
    def _absent(code: str) -> Any:
        raise ClientError({"Error": {"Code": code}}, "Get")


TEXTS = {digest_of(text): text for text in (PRODUCER, CONSUMER)}


class TestStore:
    def store(self) -> tuple[Aws, ReleaseStore]:
        aws = Aws()
        return aws, ReleaseStore(aws, aws, "bucket", "/release")

    def test_the_pointer_is_written_last_and_templates_once(self) -> None:
        aws, store = self.store()
        later = replace(A, recorded_at=datetime(2026, 11, 28, tzinfo=UTC))
        store.record(A, TEXTS)
        assert sorted(aws.log[:2]) == sorted(f"releases/templates/{digest}.yaml" for digest in TEXTS)
        assert aws.log[2:] == [f"releases/{A.id}.json", "/release"]
        store.record(later, TEXTS)
        assert aws.log[4:] == [f"releases/{later.id}.json", "/release"]
        assert store.current() == later.id
        assert store.read(A.id) == A
        assert [found.id for found in store.newest(5)] == [later.id, A.id]
        assert store.templates(list(TEXTS)) == TEXTS

    def test_before_the_first_release_there_is_none(self) -> None:
        _, store = self.store()
        assert (store.current(), store.newest(5)) == ("", [])
        with pytest.raises(ReleaseError, match=r"There is no release .*releases\.yml lists"):
            store.read(A.id)

    def test_a_template_that_was_tampered_with_is_not_used(self) -> None:
        aws, store = self.store()
        store.record(A, TEXTS)
        digest = digest_of(PRODUCER)
        aws.objects[f"releases/templates/{digest}.yaml"] += "#"
        with pytest.raises(ReleaseError, match="was changed since"):
            store.templates([digest])


class Gateway:
    """Two stacks, one of them in between."""

    def describe(self, name: str) -> Stack | None:
        if name == "absent":
            return None
        status = StackStatus.UPDATE_IN_PROGRESS if name == "busy" else StackStatus.CREATE_COMPLETE
        return Stack(name, f"arn:{name}", status, parameters={"CodeKey": "f/1", "Password": "hunter2"})

    def template_text(self, _: str) -> str:
        return CONSUMER

    def stack_policy(self, _: str) -> None:
        return None


def test_no_secret_and_no_unsettled_stack_is_recorded() -> None:
    names = {"networking": "there", "storage": "busy", "compute": "absent"}
    found = live.read(Gateway(), names)  # type: ignore[arg-type]
    assert found.unsettled == {"storage": "UPDATE_IN_PROGRESS"}
    assert list(found.records) == ["networking"]
    manifest = json.loads(replace(A, stacks=found.records).to_json())
    assert manifest["stacks"]["networking"]["hidden"] == ["Password"]
    assert "hunter2" not in json.dumps(manifest)
