"""The project's own templates, as AWS's ValidateTemplate reads them, and what is said when AWS cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.concert.platform.plugins.module_utils.connection import Connection
from ansible_collections.concert.platform.plugins.module_utils.stack.edge import AwsGateway
from ansible_collections.concert.platform.plugins.module_utils.validation.aws import asked

from tests.integration.conftest import EmbeddedAws
from tests.integration.site_runner import ROOT, Site

BUCKET = "templates-to-validate"


@pytest.fixture
def site(embedded_aws: EmbeddedAws) -> Iterator[Site]:
    site = Site(embedded_aws.state.directory)
    yield site
    site.close()


def test_every_template_is_asked_about_those_over_the_limit_through_a_bucket(embedded_aws: EmbeddedAws) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    connection = Connection(
        region=embedded_aws.region, access_key="test", secret_key="test", endpoint_url=embedded_aws.endpoint_url
    )
    outcome = asked(ROOT, AwsGateway(connection), BUCKET)
    assert (outcome.problems, outcome.note) == ((), "")
    assert outcome.looked_at == "8 templates, 2 of them through S3"
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_credentials_that_are_wrong_are_one_row_and_hide_no_other(site: Site) -> None:
    run = site.run(
        *("-e", "validate_with_aws=true", "-e", '{"validate_inventories": ["inventories/local"]}'),
        *("-e", "platform_aws_access_key=AKIAIOSFODNN7EXAMPLE"),
        playbook="playbooks/validate.yml",
    )
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in run.output.splitlines() if line.strip()}
    assert run.code == 2, run.output
    assert rows["templates"].startswith("ok"), run.output
    assert rows["AWS"].split(maxsplit=2)[:2] == ["1", "wrong"], run.output
    assert "FAIL AWS [connection] AWS does not accept these credentials (InvalidClientTokenId" in run.output
    assert "Traceback" not in run.output
