"""What the bench deploys, and the time that no tool can undercut."""

from __future__ import annotations

import pytest

from bench.cases import CALL_SECONDS, CASES, unavoidable_seconds
from bench.platform import CHANGED, PACKAGE_KEY, TEMPLATES, Stacks, builds_on, critical_path, stack_seconds, template


def test_every_template_gets_each_of_its_parameters_that_has_no_default() -> None:
    for layer in TEMPLATES:
        given = Stacks("0" * 12).parameters(layer)
        assert {name for name, p in template(layer).parameters.items() if p.default is None} <= given.keys()
        assert given.keys() <= template(layer).parameters.keys()


def test_packages_and_stacks_are_named() -> None:
    given = Stacks("0" * 12).parameters("tracing")
    assert given["SharedLayerKey"] == given["ErrorProcessorCodeKey"] == PACKAGE_KEY
    assert given["ChatbotStackName"] == Stacks("0" * 12).name("chatbot")


def test_the_changed_parameter_is_one_and_its_template_has_it() -> None:
    layer, name = CHANGED
    before, after = Stacks("0" * 12), Stacks("0" * 12, changed="9")
    assert {one for one in TEMPLATES if before.parameters(one) != after.parameters(one)} == {layer}
    assert after.parameters(layer) == {**before.parameters(layer), name: "9"}
    assert name in template(layer).parameters
    assert template(layer).parameters[name].default != "9"


def test_a_stack_comes_after_all_that_it_imports_from() -> None:
    order = list(TEMPLATES)
    assert builds_on("networking") == ()
    assert all(order.index(other) < order.index(layer) for layer in order for other in builds_on(layer))
    assert {"networking", "storage", "compute", "chatbot", "monitoring"} == set(builds_on("tracing"))


def test_the_critical_path_goes_along_imports_and_no_other_is_longer() -> None:
    way = critical_path()
    assert all(one in builds_on(other) for one, other in zip(way.layers, way.layers[1:], strict=False))
    assert way.seconds == pytest.approx(sum(stack_seconds(layer) for layer in way.layers))
    assert way.seconds >= stack_seconds("networking") + stack_seconds("monitoring") + stack_seconds("tracing")


def test_what_no_tool_can_undercut_is_the_scaled_path_and_the_calls_along_it() -> None:
    way = critical_path()
    assert unavoidable_seconds(0.0) == pytest.approx((1 + 2 * len(way.layers)) * CALL_SECONDS)
    assert unavoidable_seconds(0.5) - unavoidable_seconds(0.0) == pytest.approx(way.seconds / 2)


def test_only_the_cases_that_say_so_are_slowed_down() -> None:
    rules = {case.key: case.rules(0.25) for case in CASES}
    assert rules["create"] == rules["unchanged"] == rules["changed"] == []
    assert rules["unchanged-slow"] == [{"request": "*", "delay_seconds": CALL_SECONDS}]
    assert rules["create-slow"] == [*rules["unchanged-slow"], {"creation": "*", "scale": 0.25}]
