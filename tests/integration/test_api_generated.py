"""Generated requests against the deployed API: no defect of ours shows, and every answer is documented.

The platform is deployed once, as `make deploy` does it. `API_REQUESTS` says how many requests are sent (`make soak`
sends thousands); the same seed gives the same requests. What is printed is their number and the answers by status.
"""

from __future__ import annotations

import csv
import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fakes.functions import ROOT
from tests.integration.api_requests import Generator, Operation, Request, operations, send, undocumented, unexpected
from tests.integration.deployed_api import RANKING, Api, api, check, operation

__all__ = ["api"]

REQUESTS = int(os.environ.get("API_REQUESTS", "180"))
SEED = int(os.environ.get("API_SEED", "20261127"))
#: Words that mean something to the chatbot.
SALAD = (
    "and the next ones what about jazz rock in on friday next month concerts they there that artist venue recommend i"
    " like love hate live would sell out tickets how many much revenue popular best 3 when did last play earn forget my"
    " preferences near me help similar to"
)


def column(name: str, field: str) -> list[str]:
    """A column of the sample data."""
    with (ROOT / "files" / "sample_data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [row[field] for row in csv.DictReader(file)]


def known() -> dict[str, list[str]]:
    """What the platform has something to say about."""
    artists, cities = column("artists", "name"), column("venues", "city")
    return {
        "artist_id": column("artists", "artist_id"),
        "venue_id": column("venues", "venue_id"),
        "user_id": [f"customer-{number:04d}" for number in range(1, 40)],
        "session_id": ["one", "two", "three"],
        "location": cities,
        "artist_preferences": ["rock", "pop,soul", "jazz", *artists],
        "message": [
            "Which venues are most popular?",
            *(f"Tell me about {name}" for name in artists[:20]),
            *(f"What concerts are coming up in {city}?" for city in cities[:20]),
            "Recommend a rock concert",
            "How are ticket sales trending?",
            f"How many tickets would {artists[0]} sell at {column('venues', 'name')[0]}?",
            "and the next ones?",
            "help",
            *_salads([*artists, *cities, *column("venues", "name")]),
        ],
    }


def _salads(names: list[str]) -> list[str]:
    """Messages of such words and names in no order: whatever they ask, there is an answer."""
    dice, words = random.Random(SEED), SALAD.split()
    return [
        " ".join(dice.choice(words) if dice.random() < 0.8 else dice.choice(names) for _ in range(dice.randint(2, 12)))
        for _ in range(200)
    ]


def test_no_generated_request_finds_a_defect_or_an_undocumented_answer(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = list(Generator(SEED, known()).requests(REQUESTS))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: send(api.root, request, api.key), requests))
    statuses: dict[str, Counter[int]] = {operation.name: Counter() for operation in operations()}
    problems: list[str] = []
    for request, answer in zip(requests, answers, strict=True):
        statuses[request.operation.name][answer.status] += 1
        problems += [
            f"{request.operation.name} {str(request.query)[:200]} {request.body!r:.200}: {problem}"
            for problem in undocumented(request, answer) + unexpected(request, answer)
        ]
    with capsys.disabled():
        total = sum(statuses.values(), Counter[int]())
        print(f"\n{len(requests)} generated requests, seed {SEED}: {_by_status(total)}")
        for name, counted in statuses.items():
            print(f"  {name:28} {_by_status(counted)}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])
    assert all(counted[200] for counted in statuses.values()), "every route succeeded at least once"


def _by_status(counted: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(counted.items()))


CHAT = Request(operation("POST", "/chat"), body=json.dumps({"message": "help"}))


@pytest.mark.parametrize("key", ["", "wrong"])
@pytest.mark.parametrize("each", operations(), ids=lambda each: each.name)
def test_without_a_valid_key_every_route_is_forbidden(api: Api, each: Operation, key: str) -> None:
    check(api, Request(each, {"session_id": "x"}, body="{}" if each.method == "POST" else None), 403, key=key)


def test_a_conversation_goes_on_and_a_request_sent_twice_is_answered_once(api: Api) -> None:
    def say(message: str, headers: dict[str, str] | None = None, status: int = 200) -> Any:
        body = json.dumps({"message": message, "session_id": "talk", "user_id": "talker"})
        return check(api, Request(operation("POST", "/chat"), headers=headers or {}, body=body), status)

    first = say("What concerts are coming up?")
    assert (first["intent"], first["source"], len(first["data"])) == ("upcoming_concerts", "warehouse", 5)
    second = say("and the next ones?")
    shown = [concert["concert_id"] for concert in first["data"] + second["data"]]
    assert len(set(shown)) == len(shown) == 10
    artist = say("tell me about that artist")
    assert artist["data"]["name"] == second["data"][0]["artist"]
    once = {"Idempotency-Key": "try-1"}
    loves = say("I love jazz", once)
    assert loves["message"].startswith("I will remember that.")
    assert say("I love jazz", once) == loves
    assert say("I hate jazz", once, 400)["details"]["field"] == "Idempotency-Key"
    assert say("what are my preferences?")["data"]["genres"] == ["jazz"]
    assert say("forget my preferences")["message"].startswith("I have forgotten")
    history = check(api, Request(operation("GET", "/history/{session_id}"), {"session_id": "talk"}), 200)
    assert [turn["content"] for turn in history["messages"]].count("I love jazz") == 1
    assert len(history["messages"]) == 12


def test_what_is_not_there_is_not_found(api: Api) -> None:
    check(api, Request(operation("GET", "/history/{session_id}"), {"session_id": "no-such-session"}), 404)
    body = json.dumps({"artist_id": "artist-adele", "venue_id": "nowhere"})
    assert check(api, Request(operation("POST", "/predictions/tickets"), body=body), 404)["details"]["field"] == (
        "venue_id"
    )
    nowhere = Request(Operation("GET", "/nowhere", RANKING.operation.definition))
    answer = send(api.root, nowhere, api.key)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (404, "*")
    assert {"error", "timestamp"} <= answer.body.keys()


def test_too_many_requests_are_refused(api: Api) -> None:
    gateway = api.client("apigateway")
    (plan,) = gateway.get_usage_plans()["items"]
    stage = plan["apiStages"][0]

    def limit(burst: int, rate: int) -> None:
        operations = [("/throttle/burstLimit", burst), ("/throttle/rateLimit", rate)]
        gateway.update_usage_plan(
            usagePlanId=plan["id"],
            patchOperations=[{"op": "replace", "path": path, "value": str(value)} for path, value in operations],
        )

    assert stage["apiId"] in api.root
    limit(1, 1)
    try:
        statuses = [send(api.root, RANKING, api.key).status for _ in range(4)]
        assert 429 in statuses
        refused = next(
            answer for answer in iter(lambda: send(api.root, RANKING, api.key), None) if answer.status == 429
        )
        assert undocumented(RANKING, refused) == []
    finally:
        limit(1000, 500)


def test_without_its_right_to_the_warehouse_a_route_says_that_this_is_missing(api: Api) -> None:
    iam = api.client("iam")
    role = "concert-role-venue-popularity-development"
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (policy,) = [each["PolicyArn"] for each in attached if "query" in each["PolicyName"].lower()]
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    try:
        body = check(api, RANKING, 503)
        assert body["details"]["dependency"] == "warehouse"
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    check(api, RANKING, 200)
