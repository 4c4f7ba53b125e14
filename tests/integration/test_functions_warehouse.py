"""The functions' SQL on the embedded warehouse: every question is answered, every load is exact, as the real users."""

from __future__ import annotations

import gzip
import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule
from concert_common import queries
from concert_common.errors import UnavailableError
from concert_common.prediction import Forecaster
from concert_common.recommendation import Taste, recommend
from concert_common.settings import WarehouseSettings
from concert_common.tables import TABLES
from concert_common.warehouse import Statement, Warehouse

from tests.fakes.functions import ROOT, import_function
from tests.integration.warehouse_actions import TestWarehouse, run_action

#: Keeps the roles of this test apart from those of a deployed platform in the same emulator.
SUFFIX = "-functions-test"
BUCKET = "functions-test-processed"
COPY_ROLE = f"concert-role-redshift-development{SUFFIX}"
SECONDS = 30.0
MORNING = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Platform:
    """A migrated warehouse, and the functions' own ways into it."""

    admin: TestWarehouse
    reader: Warehouse
    loader: Warehouse
    s3: Any


def trusting(*services: str) -> str:
    """A trust policy for these services, or for the account."""
    principal = {"Service": list(services)} if services else {"AWS": "arn:aws:iam::000000000000:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(client: Callable[..., Any], name: str, trust: str, actions: list[str]) -> str:
    """A role that may do this; its ARN."""
    iam = client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="test", PolicyDocument=policy)
    return arn


def connect(client: Callable[..., Any], admin: TestWarehouse, purpose: str) -> Warehouse:
    """The functions' own client, as the function's own role."""
    actions = ["redshift-data:*", "redshift-serverless:GetCredentials"]
    arn = role(client, f"concert-role-{purpose}-development{SUFFIX}", trusting(), actions)
    session = client("sts").assume_role(RoleArn=arn, RoleSessionName=purpose)["Credentials"]
    data_api = client(
        "redshift-data",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    return Warehouse(data_api, WarehouseSettings(admin.workgroup, admin.database))


@pytest.fixture(scope="module")
def platform(client: Callable[..., Any], embedded_aws: Any) -> Platform:
    """A migrated, empty warehouse."""
    admin = TestWarehouse.create(client, embedded_aws.endpoint_url, "functions-test")
    migrations = str(ROOT / "files" / "redshift" / "migrations")
    placeholders = {"environment": "development", "name_suffix": SUFFIX}
    result = run_action(ActionModule, {**admin.options, "directory": migrations, "placeholders": placeholders})
    assert result.get("msg") is None
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    services = ("redshift.amazonaws.com", "redshift-serverless.amazonaws.com")
    copy_role = role(client, COPY_ROLE, trusting(*services), ["s3:GetObject", "s3:ListBucket"])
    client("redshift-serverless").update_namespace(namespaceName=admin.namespace, iamRoles=[copy_role])
    reader, loader = connect(client, admin, "chatbot"), connect(client, admin, "warehouse-loader")
    return Platform(admin, reader, loader, s3)


@pytest.fixture
def loader() -> Iterator[SimpleNamespace]:
    """The loader's modules."""
    return import_function("warehouse_loader", "core", "statements")


def put(platform: Platform, data_type: str, name: str, *rows: tuple[dict[str, Any], datetime]) -> str:
    """A processed object as the stream processor writes it; its key."""
    lines = [json.dumps(TABLES[data_type].row(payload, moment), ensure_ascii=False) for payload, moment in rows]
    key = f"{data_type}/ingest_date=2026-11-24/{name}.json.gz"
    platform.s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress("\n".join([*lines, ""]).encode()))
    return key


def load(
    platform: Platform, loader: SimpleNamespace, data_type: str, *keys: str, house: Warehouse | None = None
) -> int:
    """Load these objects in one transaction; the rows that it says it changed."""
    return told(platform, loader, data_type, *keys, house=house)["changed"]


def told(
    platform: Platform, loader: SimpleNamespace, data_type: str, *keys: str, house: Warehouse | None = None
) -> dict[str, int]:
    """Load these objects in one transaction; all that it says it did."""
    role_arn = f"arn:aws:iam::000000000000:role/{COPY_ROLE}"
    settings = loader.core.Settings("development", WarehouseSettings("w", "d"), BUCKET, role_arn, "no queue")
    planned = loader.statements.script(loader.core.Load(TABLES[data_type], keys, ()), settings)
    house = house or platform.loader
    transaction = house.transaction(planned.statements, name=f"load-{data_type}", seconds=SECONDS)
    row = house.rows_of(transaction, planned.counting)[0]
    assert (row.pop("newest") is None) == (row["arrived"] == 0)
    return {name: cast(int, value) for name, value in row.items()}


def artist(number: int, name: str = "Björk", **fields: Any) -> dict[str, Any]:
    """An artist's payload."""
    return {"artist_id": f"artist-{number}", "name": name, "genre": ["electronic", "art pop"], **fields}


def test_a_load_is_exact_and_a_repeated_one_changes_nothing(platform: Platform, loader: SimpleNamespace) -> None:
    first = put(platform, "artists", "exact-1", (artist(1, members="Björk|…"), MORNING), (artist(2, "Muse"), MORNING))
    second = put(platform, "artists", "exact-2", (artist(3, "Adele", popularity_score=97.25), MORNING))
    assert load(platform, loader, "artists", first, second) == 3
    query = (
        "SELECT artist_id, name, genre, popularity_score, members, created_at, updated_at FROM concert_dw.artists"
        " WHERE artist_id IN ('artist-1', 'artist-2', 'artist-3') ORDER BY artist_id"
    )
    before = platform.reader.rows(Statement(query), seconds=SECONDS)
    assert before[0]["name"] == "Björk"
    assert before[0]["genre"] == "electronic|art pop"
    assert before[0]["members"] == "Björk|…"
    assert before[2]["popularity_score"] == Decimal("97.25")
    assert before[0]["updated_at"] == MORNING.replace(tzinfo=None)
    assert load(platform, loader, "artists", first, second) == 0
    assert load(platform, loader, "artists", second) == 0
    assert platform.reader.rows(Statement(query), seconds=SECONDS) == before
    history = "SELECT object_key, rows_loaded FROM concert_dw.load_history WHERE object_key LIKE '%exact-_.json.gz'"
    loaded = platform.loader.rows(Statement(history + " ORDER BY object_key"), seconds=SECONDS)
    assert [(row["object_key"], row["rows_loaded"]) for row in loaded] == [(first, 2), (second, 1)]


def test_the_newest_version_wins_in_whatever_order_versions_arrive(platform: Platform, loader: SimpleNamespace) -> None:
    later, latest = MORNING + timedelta(hours=1), MORNING + timedelta(hours=2)
    middle = put(platform, "artists", "order-1", (artist(10, "Second"), later))
    assert load(platform, loader, "artists", middle) == 1
    # One object holds an older and a newer version, and the newer one twice.
    mixed = put(
        platform, "artists", "order-2",
        (artist(10, "Third"), latest), (artist(10, "First"), MORNING), (artist(10, "Third"), latest),
    )  # fmt: skip
    assert load(platform, loader, "artists", mixed) == 1
    old = put(platform, "artists", "order-3", (artist(10, "First"), MORNING))
    assert load(platform, loader, "artists", old) == 0
    query = "SELECT name, created_at, updated_at FROM concert_dw.artists WHERE artist_id = 'artist-10'"
    (row,) = platform.reader.rows(Statement(query), seconds=SECONDS)
    assert row["name"] == "Third"
    assert row["created_at"] == later.replace(tzinfo=None)
    assert row["updated_at"] == latest.replace(tzinfo=None)


def test_the_same_content_at_a_later_moment_changes_nothing(platform: Platform, loader: SimpleNamespace) -> None:
    assert load(platform, loader, "artists", put(platform, "artists", "same-1", (artist(20), MORNING))) == 1
    again = put(platform, "artists", "same-2", (artist(20), MORNING + timedelta(days=1)))
    assert load(platform, loader, "artists", again) == 0
    filled = put(platform, "artists", "same-3", (artist(20, spotify_id="x"), MORNING + timedelta(days=2)))
    assert load(platform, loader, "artists", filled) == 1


def test_versions_that_alternate_end_with_the_newest_in_every_order(
    platform: Platform, loader: SimpleNamespace
) -> None:
    """Including the one where the newest repeats the first, so that only its moment is news."""
    hours = [MORNING + timedelta(hours=hour) for hour in range(3)]
    versions = [("Before", hours[0]), ("Between", hours[1]), ("Before", hours[2])]
    orders = list(itertools.permutations(range(3)))
    for place, order in enumerate(orders):
        for turn, number in enumerate(order):
            name, moment = versions[number]
            row = (artist(200 + place, name), moment)
            load(platform, loader, "artists", put(platform, "artists", f"alt-{place}-{turn}", row))
    query = "SELECT name, updated_at FROM concert_dw.artists WHERE artist_id BETWEEN 'artist-200' AND 'artist-205'"
    found = platform.reader.rows(Statement(query), seconds=SECONDS)
    assert len(found) == len(orders)
    assert {(row["name"], row["updated_at"]) for row in found} == {("Before", hours[2].replace(tzinfo=None))}


def test_a_load_tells_duplicates_late_and_changed_rows_apart(platform: Platform, loader: SimpleNamespace) -> None:
    later = MORNING + timedelta(hours=1)
    first = put(platform, "artists", "told-1", (artist(300), later), (artist(301), later))
    assert told(platform, loader, "artists", first) == {"arrived": 2, "changed": 2, "duplicate": 0, "late": 0}
    mixed = put(
        platform, "artists", "told-2",
        (artist(300), later),  # a duplicate of what is held
        (artist(301, "Old"), MORNING), (artist(301, "Old"), MORNING),  # late, and a duplicate of that
        (artist(302), MORNING), (artist(302, "Newer"), later), (artist(302, "Newer"), later),  # news, and a duplicate
        (artist(300), later + timedelta(hours=1)),  # repeats what is held, in a newer version
    )  # fmt: skip
    assert told(platform, loader, "artists", mixed) == {"arrived": 7, "changed": 1, "duplicate": 3, "late": 1}
    # Told of twice, an object is no duplicate record.
    assert told(platform, loader, "artists", first, mixed) == {"arrived": 0, "changed": 0, "duplicate": 0, "late": 0}


def test_loads_at_once_take_turns_and_leave_each_key_once(platform: Platform, loader: SimpleNamespace) -> None:
    keys = [
        put(platform, "artists", f"at-once-{n}", *((artist(100 + i), MORNING) for i in range(20))) for n in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda key: load(platform, loader, "artists", key), keys))
    assert sorted(changed) == [0, 0, 0, 20]
    query = "SELECT artist_id FROM concert_dw.artists WHERE artist_id >= 'artist-100' AND artist_id <= 'artist-119'"
    found = [row["artist_id"] for row in platform.reader.rows(Statement(query), seconds=SECONDS)]
    assert len(found) == len(set(found)) == 20


def test_an_object_that_is_not_there_loads_nothing_at_all(platform: Platform, loader: SimpleNamespace) -> None:
    present = put(platform, "artists", "half-1", (artist(30), MORNING))
    absent = "artists/ingest_date=2026-11-24/half-0.json.gz"
    with pytest.raises(Exception, match=r"could not run|not set up"):
        load(platform, loader, "artists", absent, present)
    query = Statement("SELECT 1 AS found FROM concert_dw.artists WHERE artist_id = 'artist-30'")
    assert platform.reader.rows(query, seconds=SECONDS) == []


def test_who_only_reads_cannot_load(platform: Platform, loader: SimpleNamespace) -> None:
    key = put(platform, "artists", "reader-1", (artist(40), MORNING))
    with pytest.raises(UnavailableError) as raised:
        load(platform, loader, "artists", key, house=platform.reader)
    assert "permission denied" in str(raised.value.__cause__)


@pytest.fixture(scope="module")
def filled(platform: Platform) -> Platform:
    """Two artists and venues with a year of history, sales, and concerts to come, relative to today."""
    loader = import_function("warehouse_loader", "core", "statements")
    today = date.fromisoformat(str(platform.admin.query("SELECT CURRENT_DATE")[0][0]))
    venues = [
        (
            {
                "venue_id": "q-hall",
                "name": "Question Hall",
                "city": "Reykjavík",
                "country": "Iceland",
                "capacity": 1000,
            },
            MORNING,
        ),
        (
            {"venue_id": "q-club", "name": "Question Club", "city": "Leeds", "country": "England", "capacity": 200},
            MORNING,
        ),
    ]
    artists = [
        (artist(0, "Quizmaster", popularity_score=80) | {"artist_id": "q-one"}, MORNING),
        (artist(0, "Other Act", genre="rock") | {"artist_id": "q-two"}, MORNING),
    ]
    concerts, sales = [], []
    for n in range(12):
        past = today - timedelta(days=20 + 25 * n)
        concerts.append(
            (
                {
                    "concert_id": f"q-past-{n}", "artist_id": "q-one", "venue_id": "q-hall", "status": "completed",
                    "event_date": past.isoformat(), "total_attendance": 900, "revenue": 45000,
                    "ticket_prices": {"standard": 50},
                },
                MORNING,
            )
        )  # fmt: skip
        sales.append(
            (
                {
                    "sale_id": f"q-sale-{n}", "concert_id": f"q-past-{n}", "customer_id": "q-customer", "quantity": 2,
                    "unit_price": 50, "total_amount": 100, "purchase_timestamp": f"{past}T10:00:00Z",
                },
                MORNING,
            )
        )  # fmt: skip
    for n, (artist_id, venue_id) in enumerate([("q-one", "q-club"), ("q-two", "q-hall")]):
        concerts.append(
            (
                {
                    "concert_id": f"q-next-{n}", "artist_id": artist_id, "venue_id": venue_id, "status": "scheduled",
                    "event_date": (today + timedelta(days=30 + n)).isoformat(),
                },
                MORNING,
            )
        )  # fmt: skip
    for data_type, rows in (("venues", venues), ("artists", artists), ("concerts", concerts), ("ticket_sales", sales)):
        assert load(platform, loader, data_type, put(platform, data_type, "questions", *rows)) == len(rows)
    return platform


def ask(platform: Platform, *statements: Statement) -> list[list[Any]]:
    """The answers, as the chatbot's user."""
    return [list(rows) for rows in platform.reader.all_rows(list(statements), seconds=SECONDS)]


ARGUMENTS: dict[str, dict[str, Any]] = {
    "venue_popularity": {"top_n": 10, "min_events": 1},
    "today": {},
    "artist": {"artist_id": "q-one"},
    "venue": {"venue_id": "q-hall"},
    "concert_history": {"artist_id": "q-one", "venue_id": "q-hall"},
    "recent_history": {},
    "upcoming_concerts": {"location": "ICELAND", "liked": ["rock", "Quizmaster"], "first": date(2020, 1, 1)},
    "popular_upcoming": {"location": "Reykjavik", "last": date(2099, 1, 1)},
    "upcoming_of_artist": {"artist_id": "q-one"},
    "upcoming_in_venue": {"venue_id": "q-hall"},
    "past_concerts": {"artist_id": "q-one", "venue_id": "q-hall"},
    "bought_genres": {"user_id": "q-customer"},
    "names_in": {"message": "would quizmaster fill question club in leeds?"},
    "artist_performance": {"artist_id": "q-one"},
    "top_earning_artists": {},
    "monthly_sales": {},
}


def test_every_question_of_the_functions_is_tried_here() -> None:
    own = {
        name
        for name, member in inspect.getmembers(queries, inspect.isfunction)
        if member.__module__ == queries.__name__ and not name.startswith("_")
    }
    assert own == set(ARGUMENTS)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_every_question_is_answered_with_rows_of_plain_types(filled: Platform, name: str) -> None:
    (rows,) = ask(filled, getattr(queries, name)(**ARGUMENTS[name]))
    assert rows
    assert all(
        isinstance(value, (str, int, float, Decimal, date, type(None))) for row in rows for value in row.values()
    )


def test_the_ranking_filters_numbers_and_limits(filled: Platform) -> None:
    ((row,), none) = ask(
        filled,
        queries.venue_popularity(top_n=1, min_events=12),
        queries.venue_popularity(top_n=10, min_events=13),
    )
    assert (row["place"], row["venue_id"], row["total_events"]) == (1, "q-hall", 12)
    assert (row["attendance_rate"], row["total_revenue"]) == (Decimal("0.900000"), Decimal("540000.00"))
    assert none == []


def test_names_are_found_in_a_message_whatever_it_contains(filled: Platform) -> None:
    hostile = "' OR 1=1; -- %_\\ :message ?quizmaster"
    ((first, *_),) = ask(filled, queries.names_in(hostile))
    assert (first["kind"], first["id"]) == ("artist", "q-one")
    ((city,),) = ask(filled, queries.names_in("what is on in reykjavik?"))
    assert (city["kind"], city["name"]) == ("city", "Reykjavík")


def test_the_baseline_stands_on_the_history(filled: Platform) -> None:
    forecaster = Forecaster()
    question, found = forecaster.predict(lambda each: ask(filled, *each), "q-one", "q-hall", None, None)
    assert (question.capacity, question.popularity) == (1000, 80)
    assert (found.artist_events, found.venue_events) == (12, 12)
    assert 850 < found.tickets <= 950
    assert found.revenue / found.tickets == pytest.approx(Decimal(50), abs=Decimal(5))


def test_recommendations_follow_what_was_bought(filled: Platform) -> None:
    def recommended(*named: str, **options: Any) -> list[str]:
        found = recommend(lambda each: ask(filled, *each), named, top_n=5, **options)
        return [each.concert.concert_id for each in found]

    (bought,) = ask(filled, queries.bought_genres("q-customer"))
    assert Taste.bought(bought).genres == {"electronic": 1.0, "art pop": 1.0}
    assert recommended(user_id="q-customer", only_matching=False) == ["q-next-0", "q-next-1"]
    assert recommended("pop", only_matching=True) == ["q-next-0"], "art pop is a kind of pop"
    assert recommended("Art-Pop", only_matching=True) == ["q-next-0"]
    assert recommended("OTHER ACT", "' OR 1=1; --", only_matching=True) == ["q-next-1"]
    assert recommended("q-one", only_matching=True) == ["q-next-0"]
    assert recommended("polka", only_matching=True) == []
    assert recommended(location="reykjavik", only_matching=False) == ["q-next-1"]


@pytest.mark.parametrize(
    "message",
    [
        "Which venues are most popular?",
        "Tell me about Quizmaster",
        "What concerts are coming up?",
        "What is on in Reykjavik?",
        "Which venues in Reykjavík are most popular?",
        "When did Quizmaster last play at Question Hall?",
        "How much are tickets for Other Act?",
        "Recommend a rock concert",
        "Recommend something for me",
        "How many tickets would Quizmaster sell at Question Hall?",
        "How are ticket sales trending?",
        "help",
        "colourless green ideas",
    ],
)
def test_every_chat_answer_is_words_and_json(filled: Platform, message: str) -> None:
    chatbot = import_function("chatbot", "understanding", "answers")
    rows = ask(filled, queries.names_in(chatbot.understanding.fold(message)))[0]
    recognised = chatbot.understanding.understand(message, rows, date(2026, 11, 27), None)
    asked = chatbot.answers.Asked(message, recognised, lambda statements: ask(filled, *statements), "q-customer")
    answer = chatbot.answers.ANSWERS[recognised.intent](asked)
    assert answer.message
    assert "None" not in answer.message
    json.dumps(answer.data, allow_nan=False)
