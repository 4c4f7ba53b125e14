"""GET /health is waited for while something is on its way, and not while its function does nothing but crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from ansible_collections.concert.platform.plugins.module_utils.verification.checks import health
from ansible_collections.concert.platform.plugins.module_utils.verification.platform import Platform, Response

HEALTHY = Response(200, {"status": "healthy"})
DEGRADED = Response(503, {"status": "degraded"})
NEW_KEY = Response(403, {"message": "Forbidden"})
CRASHED = Response(502, {"message": "Internal server error"})


class Api:
    """Gives these answers, ten seconds apart, the last one for ever; a run waits 180 seconds."""

    def __init__(self, answers: Sequence[Response]) -> None:
        self.answers, self.seconds = list(answers), 0.0

    def now(self) -> float:
        return self.seconds

    def ask(self, method: str, path: str) -> Response:
        assert (method, path) == ("GET", "/health")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def until(self, probe: Callable[[], Any]) -> Any:
        while (value := probe()) is None and self.seconds < 180:
            self.seconds += 10
        return value


@pytest.mark.parametrize(
    ("answers", "passed", "seconds"),
    [
        pytest.param([HEALTHY], True, 0, id="healthy-at-once"),
        pytest.param([NEW_KEY] * 9 + [HEALTHY], True, 90, id="a-new-key-takes-a-moment"),
        pytest.param([DEGRADED], False, 180, id="a-sleeping-warehouse-has-until-the-deadline"),
        pytest.param([CRASHED], False, 30, id="a-function-that-crashes-has-not"),
        pytest.param([CRASHED, CRASHED, DEGRADED, CRASHED, CRASHED, HEALTHY], True, 50, id="one-that-answers-is-alive"),
    ],
)
def test_health_is_waited_for_as_long_as_waiting_may_help(
    answers: list[Response], passed: bool, seconds: float
) -> None:
    api = Api(answers)
    finding = health(cast(Platform, api))
    assert (finding.passed, api.seconds) == (passed, seconds)
    assert finding.found == ("200, version None; reachable: nothing" if passed else str(answers[-1]))
