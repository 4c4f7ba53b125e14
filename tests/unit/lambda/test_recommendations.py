"""GET /recommendations and the ranking behind it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from concert_common.recommendation import Taste, UpcomingConcert, genres_of, rank
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import Context, FakeAws, answer_body, get_event


def concert(
    concert_id: str = "c1",
    *,
    artist: str = "Muse",
    genres: str = "rock|indie",
    popularity: float = 50.0,
    city: str = "Berlin",
    day: date = date(2027, 1, 1),
) -> UpcomingConcert:
    """An upcoming concert in Germany."""
    return UpcomingConcert(
        concert_id, f"id-{artist.lower()}", artist, genres_of(genres), popularity, "Hall", city, "BE", "Germany", day
    )


concerts = st.lists(
    st.builds(
        concert,
        st.uuids().map(str),
        artist=st.sampled_from(["Muse", "Adele", "Blur"]),
        genres=st.sampled_from(["rock", "pop|soul", "indie rock|pop", ""]),
        popularity=st.sampled_from([0.0, 70.0, 100.0]),
        city=st.sampled_from(["Berlin", "Paris"]),
        day=st.dates(date(2027, 1, 1), date(2027, 1, 5)),
    ),
    max_size=12,
    unique_by=lambda found: found.concert_id,
)
tastes = st.builds(Taste.named, st.lists(st.sampled_from(["rock", "pop", "Adele", "jazz"]), max_size=3))


@given(
    found=concerts,
    data=st.data(),
    taste=tastes,
    location=st.none() | st.sampled_from(["berlin", "Germany"]),
    top_n=st.integers(1, 5),
    only=st.booleans(),
)
def test_scores_are_shares_order_is_stable_and_every_one_has_a_reason(
    found: list[UpcomingConcert], data: st.DataObject, taste: Taste, location: str | None, top_n: int, only: bool
) -> None:
    def ranked(among: list[UpcomingConcert]) -> list[Any]:
        return rank(among, taste=taste, location=location, only_matching=only, top_n=top_n)

    first = ranked(found)
    assert ranked(data.draw(st.permutations(found))) == first
    assert len(first) <= top_n
    assert all(0 <= each.score <= 1 for each in first)
    assert all(each.reasons for each in first)
    assert [each.score for each in first] == sorted((each.score for each in first), reverse=True)


def test_a_multi_genre_artist_matches_by_any_genre_and_better_by_two() -> None:
    both = rank([concert()], taste=Taste.named(["rock", "indie"]), location=None, only_matching=True, top_n=5)
    one = rank(
        [concert(genres="rock")], taste=Taste.named(["rock", "indie"]), location=None, only_matching=True, top_n=5
    )
    assert both[0].score > one[0].score > 0
    assert both[0].reasons == ("genre: indie", "genre: rock")


def test_a_broad_genre_means_its_kinds_but_not_the_reverse() -> None:
    found = rank(
        [concert("kind", genres="indie rock"), concert("other", genres="rocksteady")],
        taste=Taste.named(["rock"]), location=None, only_matching=True, top_n=5,
    )  # fmt: skip
    assert [each.concert.concert_id for each in found] == ["kind"]
    assert not rank(
        [concert(genres="rock")], taste=Taste.named(["indie rock"]), location=None, only_matching=True, top_n=5
    )


def test_a_named_artist_comes_before_a_matching_genre() -> None:
    found = rank(
        [concert("genre", artist="Blur", genres="rock"), concert("artist", artist="Muse", genres="jazz")],
        taste=Taste.named(["rock", "muse"]), location=None, only_matching=True, top_n=5,
    )  # fmt: skip
    assert [each.concert.concert_id for each in found] == ["artist", "genre"]
    assert found[0].reasons == ("artist: Muse",)


def test_a_place_leaves_out_all_others_and_a_city_counts_more_than_its_country() -> None:
    everywhere = [concert("here"), concert("there", city="Munich"), concert("far", city="Berlin")]
    in_city = rank(everywhere, taste=Taste(), location="berlin", only_matching=False, top_n=5)
    assert {each.concert.concert_id for each in in_city} == {"here", "far"}
    in_country = rank(everywhere, taste=Taste(), location="Germany", only_matching=False, top_n=5)
    assert in_city[0].score > in_country[0].score
    assert in_city[0].reasons == ("in Berlin",)


def test_bought_genres_weigh_by_tickets_and_leave_nothing_out() -> None:
    taste = Taste.bought([{"genre": "jazz|soul", "tickets": 8}, {"genre": "rock", "tickets": 2}])
    assert taste.genres == {"jazz": 1.0, "soul": 1.0, "rock": 0.25}
    found = rank(
        [concert("rock", genres="rock"), concert("jazz", genres="jazz"), concert("pop", genres="pop")],
        taste=taste, location=None, only_matching=False, top_n=5,
    )  # fmt: skip
    assert [each.concert.concert_id for each in found] == ["jazz", "rock", "pop"]


UPCOMING = [
    {
        "concert_id": f"c{n}",
        "artist_id": f"a{n}",
        "artist_name": artist,
        "genre": genre,
        "popularity_score": score,
        "venue_name": "Hall",
        "city": "Berlin",
        "state": None,
        "country": "Germany",
        "event_date": date(2027, 1, n + 1),
        "ticket_prices": "standard:50.00",
    }
    for n, (artist, genre, score) in enumerate(
        [("Muse", "rock|indie", 90), ("Adele", "pop|soul", 95), ("X", None, None)]
    )
]


def ask(load: Callable[..., Any], query: dict[str, str] | None, status: int = 200) -> dict[str, Any]:
    """The body of one call."""
    return answer_body(load("recommendations", "handler").handler.lambda_handler(get_event(query), Context()), status)


def test_named_genres_filter(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = lambda _sql, _parameters: UPCOMING
    body = ask(load, {"artist_preferences": "Rock,jazz", "top_n": "5"})
    assert (body["type"], body["count"]) == ("genre_filtered", 1)
    assert body["recommendations"] == [
        {
            "concert_id": "c0", "artist": "Muse", "venue": "Hall", "city": "Berlin", "event_date": "2027-01-01",
            "score": body["recommendations"][0]["score"], "reasons": ["genre: rock", "popular artist"],
        }
    ]  # fmt: skip


def test_a_place_is_bound_and_filters(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = lambda _sql, _parameters: UPCOMING
    body = ask(load, {"location": "berlin"})
    assert (body["type"], body["count"]) == ("location_filtered", 3)
    ((sql, parameters),) = aws.data_api.executed
    assert parameters == {"location": "berlin"}
    assert "v_upcoming_concerts" in sql
    assert "berlin" not in sql


def test_the_warehouse_picks_the_candidates_by_bound_words(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = lambda _sql, _parameters: UPCOMING
    body = ask(load, {"artist_preferences": "Indie-Rock,Beyoncé"})
    assert body["count"] == 0, "neither indie nor rock alone is indie rock"
    ((sql, parameters),) = aws.data_api.executed
    assert parameters == {
        "name_0": "beyonce", "word_0_0": "beyonce", "name_1": "indie-rock", "word_1_0": "indie", "word_1_1": "rock"
    }  # fmt: skip
    assert "beyonc" not in sql.lower()


@pytest.mark.parametrize(
    ("liked", "genres"),
    [("hip hop", "hip-hop"), ("R&B", "r&b"), ("Hip-Hop", "hip hop"), ("Rosalía", ""), ("rosalia", "")],
)
def test_hyphens_accents_and_case_do_not_count(liked: str, genres: str) -> None:
    found = rank(
        [concert(artist="Rosalía", genres=genres)],
        taste=Taste.named([liked]), location="BERLÍN", only_matching=True, top_n=5,
    )  # fmt: skip
    assert len(found) == 1


@given(found=concerts, taste=tastes, location=st.none() | st.sampled_from(["berlin", "Germany"]))
def test_every_reason_is_true(found: list[UpcomingConcert], taste: Taste, location: str | None) -> None:
    for each in rank(found, taste=taste, location=location, only_matching=False, top_n=50):
        true = {"popular artist": each.concert.popularity >= 70, "upcoming concert": len(each.reasons) == 1}
        for reason in each.reasons:
            kind, _, what = reason.partition(": ")
            if kind == "genre":
                assert what in each.concert.genres
                assert any(set(liked.split()) <= set(what.split()) for liked in taste.genres)
            elif kind == "artist":
                assert what == each.concert.artist
                assert what.lower() in taste.artists
            elif reason.startswith("in "):
                assert reason[3:] in (each.concert.city, each.concert.country)
            else:
                assert true[reason], reason


def test_a_users_purchases_shape_the_order(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = lambda sql, _: [{"genre": "rock", "tickets": 3}] if "ticket_sales" in sql else UPCOMING
    body = ask(load, {"user_id": "customer-1"})
    assert body["type"] == "content_based"
    assert [each["concert_id"] for each in body["recommendations"]] == ["c0", "c1", "c2"]
    assert aws.data_api.executed[0][1] == {"user_id": "customer-1"}
    assert len(aws.data_api.executed) == 3, "what could match the taste, and what is popular"


def test_without_anything_known_the_popular_come_first(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = lambda _sql, _parameters: UPCOMING
    body = ask(load, None)
    assert [each["concert_id"] for each in body["recommendations"]] == ["c1", "c0", "c2"]
    assert body["type"] == "content_based"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"top_n": "51"}, "top_n"),
        ({"location": "x" * 101}, "location"),
        ({"artist_preferences": ",".join(str(n) for n in range(21))}, "artist_preferences"),
        ({"user_id": "u" * 129}, "user_id"),
    ],
)
def test_a_value_out_of_its_rule_is_400(
    load: Callable[..., Any], aws: FakeAws, query: dict[str, str], field: str
) -> None:
    assert ask(load, query, 400)["details"]["field"] == field
    assert aws.data_api.executed == []
