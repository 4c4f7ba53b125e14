"""GET /health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.functions import Context, FakeAws, FakeClient, answer_body, get_event, logged, refused


def healthy(aws: FakeAws) -> None:
    """Every dependency answers."""
    aws["dynamodb"] = FakeClient(describe_table=lambda TableName: {"Table": {"TableStatus": "ACTIVE"}})  # noqa: ARG005, N803
    aws["ssm"] = FakeClient(get_parameter=lambda Name: {"Parameter": {"Value": f"release of {Name}"}})  # noqa: N803


def refusing(code: str) -> Callable[..., Any]:
    """An operation that AWS refuses."""

    def refuse(**_: Any) -> Any:
        raise refused(code)

    return refuse


def health(load: Callable[..., Any]) -> dict[str, Any]:
    """The body of one call."""
    return answer_body(load("health_check", "handler").handler.lambda_handler(get_event(), Context()))


def test_when_all_answer_it_is_healthy_and_names_the_release(load: Callable[..., Any], aws: FakeAws) -> None:
    healthy(aws)
    body = health(load)
    body.pop("timestamp")
    assert body == {
        "status": "healthy",
        "version": "1.0.0",
        "release": "release of /concert-platform/development/release",
        "services": {
            "warehouse": "reachable",
            "conversations": "reachable",
            "release_pointer": "reachable",
            "agent": "not_configured",
            "endpoint": "not_configured",
        },
    }
    assert aws.clients["dynamodb"].of("describe_table") == [{"TableName": "conversations"}]


def test_what_is_optional_says_whether_it_is_switched_on(
    load: Callable[..., Any], aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_AGENT_ID", "AGENT12345")
    monkeypatch.setenv("SAGEMAKER_ENDPOINT_NAME", "tickets-v1")
    healthy(aws)
    body = health(load)
    assert (body["services"]["agent"], body["services"]["endpoint"]) == ("configured", "configured")
    assert body["status"] == "healthy"


def test_before_the_first_release_there_is_no_pointer_which_is_no_fault(load: Callable[..., Any], aws: FakeAws) -> None:
    healthy(aws)
    aws["ssm"] = FakeClient(get_parameter=refusing("ParameterNotFound"))
    body = health(load)
    assert (body["status"], body["release"], body["services"]["release_pointer"]) == ("healthy", None, "not_configured")


@pytest.mark.parametrize(
    ("service", "breakage"),
    [
        pytest.param(
            "warehouse", lambda aws: setattr(aws.data_api, "refusal", refused("ValidationException")), id="dw"
        ),
        pytest.param("warehouse", lambda aws: setattr(aws.data_api, "fails_with", "does not exist"), id="no-schema"),
        pytest.param(
            "conversations",
            lambda aws: aws.__setitem__("dynamodb", FakeClient(describe_table=refusing("ResourceNotFoundException"))),
            id="no-table",
        ),
        pytest.param(
            "conversations",
            lambda aws: aws.__setitem__(
                "dynamodb", FakeClient(describe_table=lambda **_: {"Table": {"TableStatus": "DELETING"}})
            ),
            id="table-going-away",
        ),
        pytest.param(
            "release_pointer",
            lambda aws: aws.__setitem__("ssm", FakeClient(get_parameter=refusing("AccessDeniedException"))),
            id="no-grant",
        ),
    ],
)
def test_one_dependency_out_of_reach_degrades_but_still_answers(
    load: Callable[..., Any],
    aws: FakeAws,
    capsys: pytest.CaptureFixture[str],
    service: str,
    breakage: Callable[[FakeAws], None],
) -> None:
    healthy(aws)
    breakage(aws)
    body = health(load)
    assert body["status"] == "degraded"
    assert [name for name, state in body["services"].items() if state == "unreachable"] == [service]
    assert [line["level"] for line in logged(capsys.readouterr().out)] == ["WARNING"]
