"""Invents the concerts and sales of a data set, and the artists and venues beyond those that exist. Pure.

The same volume, seed and real rows give the same world on every machine and in every Python version: of the random
generator only `random()` is used, whose sequence is fixed for a seed, and of floating-point arithmetic only what IEEE
754 defines exactly. `files/sample_data/README.md` documents the distributions; change both together.

Days are offsets from an anchor, a Monday: -1 is the Sunday before it.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Generic, TypeVar

from tools.sample_data import names

SEED = 20_251_124

FIRST_DAY, LAST_DAY = -500, 180
#: Nothing is played in the week of the anchor and shortly after, so that what is scheduled stays so for a while.
FIRST_SCHEDULED_DAY = 9
SCHEDULED_SHARE = 0.275
#: Days before a concert on which its sale opens.
ON_SALE_DAYS = 150
CUSTOMERS_PER_SALE = 0.15

#: How many concerts fall on Monday to Sunday, relative to Saturday.
WEEKDAY_CONCERTS = (0.30, 0.35, 0.45, 0.50, 0.85, 1.0, 0.55)
#: What Monday to Sunday add to the attendance rate.
WEEKDAY_EFFECT = (-0.06, -0.05, -0.03, 0.0, 0.06, 0.08, 0.01)
#: What a price one per cent above the usual takes from the attendance rate, in hundredths.
PRICE_EFFECT = 0.3

#: Kind of venue: its share of the invented ones, least and most people, concerts relative to a club's.
KINDS: Mapping[str, tuple[float, int, int, float]] = {
    "club": (0.36, 250, 1_800, 1.0),
    "theater": (0.22, 900, 5_000, 1.0),
    "hall": (0.16, 1_200, 6_000, 1.0),
    "arena": (0.14, 8_000, 22_000, 1.0),
    "amphitheater": (0.07, 5_000, 24_000, 0.8),
    "stadium": (0.05, 35_000, 90_000, 0.45),
}
#: Price of a middling seat in whole units of money by kind of venue, before the artist's weight.
BASE_PRICE = {"stadium": 95, "arena": 85, "amphitheater": 70, "theater": 62, "hall": 58, "club": 36}
#: Tiers by kind of venue: name, factor on the base price, share of the seats.
TIERS: Mapping[str, Sequence[tuple[str, Decimal, Decimal]]] = {
    kind: [(name, Decimal(factor), Decimal(share)) for name, factor, share in tiers]
    for kind, tiers in {
        "stadium": [
            ("vip", "2.6", "0.05"),
            ("floor", "1.5", "0.25"),
            ("lower", "1.1", "0.35"),
            ("upper", "0.7", "0.35"),
        ],
        "arena": [("vip", "2.4", "0.06"), ("floor", "1.4", "0.24"), ("lower", "1.1", "0.4"), ("upper", "0.7", "0.3")],
        "amphitheater": [("pit", "1.7", "0.15"), ("reserved", "1.1", "0.55"), ("lawn", "0.6", "0.30")],
        "theater": [("orchestra", "1.3", "0.45"), ("mezzanine", "1.0", "0.30"), ("balcony", "0.7", "0.25")],
        "hall": [("front", "1.3", "0.40"), ("stalls", "1.0", "0.35"), ("gallery", "0.7", "0.25")],
        "club": [("vip", "1.9", "0.10"), ("general", "1.0", "0.90")],
    }.items()
}
SEGMENTS = ("casual", "casual", "casual", "fan", "fan", "student", "corporate")
QUANTITIES = (1, 2, 2, 2, 2, 3, 4, 4, 5, 6)

T = TypeVar("T")
Row = Mapping[str, str]


class VolumeError(Exception):
    """A volume that cannot be filled; the message says which and why."""


@dataclass(frozen=True)
class Volume:
    """How many rows of each kind."""

    artists: int
    venues: int
    concerts: int
    sales: int


@dataclass(frozen=True)
class Artist:
    artist_id: str
    popularity: float


@dataclass(frozen=True)
class Venue:
    venue_id: str
    capacity: int
    kind: str


@dataclass(frozen=True)
class Concert:
    """`level` is its price over what this artist in this kind of venue usually costs."""

    concert_id: str
    artist_id: str
    venue_id: str
    day: int
    level: Decimal
    prices: tuple[tuple[str, Decimal], ...]
    attendance: int | None
    revenue: Decimal | None
    status: str


@dataclass(frozen=True)
class Sale:
    """`second` is the second of the day in UTC."""

    sale_id: str
    concert_id: str
    customer_id: str
    tier: str
    quantity: int
    price: Decimal
    day: int
    second: int
    segment: str


@dataclass(frozen=True)
class World:
    """A whole data set. Artists and venues are rows of text as in their files."""

    artists: tuple[Row, ...]
    venues: tuple[Row, ...]
    concerts: tuple[Concert, ...]
    sales: tuple[Sale, ...]


class Dice:
    """Choices made of `random.Random.random` alone."""

    def __init__(self, seed: int) -> None:
        self.unit = random.Random(seed).random  # noqa: S311 - sample data, not a secret
        """A number from 0 up to 1."""

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely."""
        return items[int(self.unit() * len(items))]


class Lottery(Generic[T]):
    """Draws one of `items`, as likely as its weight says."""

    def __init__(self, items: Sequence[T], weights: Iterable[float]) -> None:
        self._items = items
        # Not sum(): since Python 3.12 it rounds floats in another way.
        self._bounds = list(accumulate(weights))

    def draw(self, dice: Dice) -> T:
        """One of the items."""
        place = bisect_right(self._bounds, dice.unit() * self._bounds[-1])
        return self._items[min(place, len(self._items) - 1)]


def make(volume: Volume, artist_rows: Sequence[Row], venue_rows: Sequence[Row], seed: int = SEED) -> World:
    """A world of this volume: the real artists and venues first, invented ones after them, then what happened there.

    Raises VolumeError for a volume that does not fit the calendar or the supply of names.
    """
    dice = Dice(seed)
    artists = (*artist_rows[: volume.artists], *_artists(dice, artist_rows, volume.artists - len(artist_rows)))
    venues = (*venue_rows[: volume.venues], *_venues(dice, venue_rows, volume.venues - len(venue_rows)))
    known = [Artist(row["artist_id"], float(row["popularity_score"])) for row in artists]
    houses = [Venue(row["venue_id"], int(row["capacity"]), row["venue_type"]) for row in venues]
    concerts = _concerts(dice, known, houses, volume.concerts)
    return World(artists, venues, concerts, _sales(dice, concerts, known, volume.sales))


def _artists(dice: Dice, real: Sequence[Row], count: int) -> list[Row]:
    """Invented artists: few famous ones and a long tail."""
    genres = sorted({genre for row in real for genre in row["genre"].split("|")})
    taken: set[str] = set()
    rows: list[Row] = []
    while len(rows) < count:
        if count > names.MOST_ARTISTS:
            raise VolumeError(f"There are names for {names.MOST_ARTISTS} invented artists, not for {count}.")
        name = names.artist(dice.unit(), dice.unit())
        if name in taken:
            continue
        taken.add(name)
        popularity = 20 + 78 * dice.unit() * dice.unit()
        members = [names.person(dice.unit(), dice.unit()) for _ in range(dice.pick((1, 1, 2, 3, 4, 4, 5)))]
        rows.append(
            {
                "artist_id": f"artist-{names.slug(name)}",
                "name": name,
                "genre": "|".join(dict.fromkeys((dice.pick(genres), dice.pick(genres)))),
                "popularity_score": f"{popularity:.2f}",
                "formation_date": f"{dice.between(1965, 2023)}-01-01",
                "members": "|".join(dict.fromkeys(members)),
            }
        )
    return rows


def _venues(dice: Dice, real: Sequence[Row], count: int) -> list[Row]:
    """Invented venues in the cities of the real ones, small ones more often than large ones."""
    if count > 0 and not real:
        raise VolumeError("Venues are invented in the cities of real ones, and there are none.")
    kinds = Lottery(list(KINDS), [share for share, *_ in KINDS.values()])
    amenities = sorted({amenity for row in real for amenity in row["amenities"].split("|")})
    taken: set[str] = set()
    rows: list[Row] = []
    while len(rows) < count:
        if count > names.MOST_VENUES_PER_PLACE * len(real):
            raise VolumeError(f"There are names for {names.MOST_VENUES_PER_PLACE * len(real)} venues, not for {count}.")
        near, kind = dice.pick(real), kinds.draw(dice)
        name = names.venue(kind, dice.unit())
        venue_id = f"venue-{names.slug(name)}-{names.slug(near['city'])}"
        if venue_id in taken:
            continue
        taken.add(venue_id)
        _, least, most, _ = KINDS[kind]
        capacity = least + (most - least) * dice.unit() * dice.unit()
        rows.append(
            {
                "venue_id": venue_id,
                "name": name,
                "address": f"{dice.between(1, 400)} {names.street(dice.unit())}",
                **{column: near[column] for column in ("city", "state", "country", "postal_code")},
                "latitude": f"{float(near['latitude']) + 0.1 * dice.unit() - 0.05:.6f}",
                "longitude": f"{float(near['longitude']) + 0.1 * dice.unit() - 0.05:.6f}",
                "capacity": str(int(capacity / 10) * 10),
                "venue_type": kind,
                "amenities": "|".join(dict.fromkeys(dice.pick(amenities) for _ in range(3))),
            }
        )
    return rows


def _concerts(dice: Dice, artists: Sequence[Artist], venues: Sequence[Venue], count: int) -> tuple[Concert, ...]:
    """All concerts by day. No venue has two on a day, and no artist plays within two days of another concert."""
    if count > len(venues) * (LAST_DAY - FIRST_DAY) / 8 or count > len(artists) * (LAST_DAY - FIRST_DAY) / 20:
        raise VolumeError(f"{count} concerts are too many for {len(artists)} artists and {len(venues)} venues.")
    # How well a house draws by itself, and how often it plays; both differ from house to house on purpose.
    charm = {venue.venue_id: 0.12 * dice.unit() - 0.06 for venue in venues}
    houses = Lottery(venues, [KINDS[venue.kind][3] * (0.85 + 0.3 * dice.unit()) for venue in venues])
    acts = _acts(artists, venues)
    scheduled_in_all = int(count * SCHEDULED_SHARE)
    taken: set[tuple[str, int]] = set()
    planned: list[tuple[int, str, str]] = []
    while len(planned) < count:
        scheduled = len(planned) < scheduled_in_all
        day = dice.between(FIRST_SCHEDULED_DAY, LAST_DAY) if scheduled else dice.between(FIRST_DAY, -1)
        if dice.unit() >= WEEKDAY_CONCERTS[day % 7]:
            continue
        venue = houses.draw(dice)
        artist = acts[_classes(venue)].draw(dice)
        busy = {(artist.artist_id, day + near) for near in range(-2, 3)}
        if (venue.venue_id, day) in taken or busy & taken:
            continue
        taken |= {(venue.venue_id, day), (artist.artist_id, day)}
        planned.append((day, venue.venue_id, artist.artist_id))
    by_venue = {venue.venue_id: venue for venue in venues}
    by_artist = {artist.artist_id: artist for artist in artists}
    width = max(4, len(str(count)))
    return tuple(
        _concert(
            dice, f"concert-{number:0{width}d}", day, by_artist[artist_id], by_venue[venue_id], charm[venue_id]
        )
        for number, (day, venue_id, artist_id) in enumerate(sorted(planned), start=1)
    )  # fmt: skip


def _classes(venue: Venue) -> tuple[bool, ...]:
    """Who would play this house, of stars, known, rising and small acts: neither too small nor too large to fill."""
    return (
        venue.capacity >= 9_000,
        2_000 <= venue.capacity <= 70_000,
        venue.capacity <= 15_000,
        venue.capacity <= 4_000,
    )


def _acts(artists: Sequence[Artist], venues: Sequence[Venue]) -> dict[tuple[bool, ...], Lottery[Artist]]:
    """The artists that may play, by what a house's size admits; a popular one plays more often."""
    lotteries = {}
    for admitted in {_classes(venue) for venue in venues}:
        fitting = [artist for artist in artists if admitted[_class(artist)]] or list(artists)
        lotteries[admitted] = Lottery(fitting, [artist.popularity * artist.popularity for artist in fitting])
    return lotteries


def _class(artist: Artist) -> int:
    return 0 if artist.popularity >= 90 else 1 if artist.popularity >= 78 else 2 if artist.popularity >= 50 else 3


def _concert(dice: Dice, concert_id: str, day: int, artist: Artist, venue: Venue, charm: float) -> Concert:
    level = Decimal(80 + dice.between(0, 40)) / 100
    base = BASE_PRICE[venue.kind] * (Decimal("0.55") + Decimal(str(artist.popularity)) / 100) * level
    prices = tuple((tier, _price(base * factor)) for tier, factor, _ in TIERS[venue.kind])
    chance, drawn = dice.unit(), dice.unit()
    if day > 0:
        status = "scheduled" if chance < 0.94 else "postponed" if chance < 0.97 else "cancelled"
    else:
        status = "completed" if chance < 0.93 else "cancelled" if chance < 0.97 else "postponed"
    attendance = _attendance(artist, venue, day, level, charm, drawn) if status == "completed" else None
    revenue = None if attendance is None else _revenue(attendance, prices, TIERS[venue.kind])
    return Concert(concert_id, artist.artist_id, venue.venue_id, day, level, prices, attendance, revenue, status)


def _attendance(artist: Artist, venue: Venue, day: int, level: Decimal, charm: float, drawn: float) -> int:
    """Seats filled: more for a popular artist and at the weekend, fewer where it is dear or the house is large."""
    rate = (
        0.42
        + 0.50 * artist.popularity / 100
        - 0.10 * min(1.0, venue.capacity / 90_000)
        + WEEKDAY_EFFECT[day % 7]
        - PRICE_EFFECT * (float(level) - 1)
        + charm
        + 0.12 * (drawn - 0.5)
    )
    return int(venue.capacity * min(1.0, max(0.2, rate)))


def _price(amount: Decimal) -> Decimal:
    """A price as shops write it: whole units and a half."""
    return (amount * 2).quantize(Decimal(1), ROUND_HALF_UP) / 2


def _revenue(
    attendance: int, prices: Sequence[tuple[str, Decimal]], tiers: Sequence[tuple[str, Decimal, Decimal]]
) -> Decimal:
    """What the seats brought in: each tier its share of the seats, the last tier what is left."""
    left, revenue = attendance, Decimal(0)
    for (_, price), (_, _, share) in zip(prices[:-1], tiers[:-1], strict=True):
        seats = int(attendance * share)
        left -= seats
        revenue += seats * price
    return revenue + left * prices[-1][1]


def _sales(dice: Dice, concerts: Sequence[Concert], artists: Sequence[Artist], count: int) -> tuple[Sale, ...]:
    """The sales, by moment of purchase. Fans of an artist come back, so that returning customers are worth counting."""
    customers = max(1, int(count * CUSTOMERS_PER_SALE))
    segments = [dice.pick(SEGMENTS) for _ in range(customers)]
    loved = Lottery(artists, [artist.popularity * artist.popularity for artist in artists])
    fans: dict[str, list[int]] = defaultdict(list)
    for customer in range(customers):
        for _ in range(3):
            fans[loved.draw(dice).artist_id].append(customer)
    # A concert that was never on sale before the anchor has no buyer yet; some cancelled ones had sold before.
    on_sale = [concert for concert in concerts if concert.day < ON_SALE_DAYS and concert.status != "postponed"]
    if count and not on_sale:
        raise VolumeError(f"There is no concert on sale for {count} sales.")
    tills = Lottery(on_sale, [_demand(concert) for concert in on_sale])
    drawn: list[tuple[int, int, str, int, str, int, Decimal]] = []
    while len(drawn) < count:
        concert = tills.draw(dice)
        regulars = fans[concert.artist_id]
        customer = dice.pick(regulars) if regulars and dice.unit() < 0.6 else dice.between(0, customers - 1)
        earliest, latest = concert.day - ON_SALE_DAYS, min(concert.day, -1)
        # Squared: most tickets go early, when a sale opens.
        day = earliest + int((latest - earliest + 1) * dice.unit() * dice.unit())
        tier, price = dice.pick(concert.prices)
        drawn.append((day, dice.between(0, 86_399), concert.concert_id, customer, tier, dice.pick(QUANTITIES), price))
    width, customer_width = max(5, len(str(count))), max(4, len(str(customers)))
    return tuple(
        Sale(
            f"sale-{number:0{width}d}", concert_id, f"customer-{customer + 1:0{customer_width}d}", tier, quantity,
            price, day, second, segments[customer],
        )
        for number, (day, second, concert_id, customer, tier, quantity, price) in enumerate(sorted(drawn), start=1)
    )  # fmt: skip


def _demand(concert: Concert) -> float:
    """How likely a purchase is for this concert: a cancelled one sold for a while, a coming one sells still."""
    return 0.25 if concert.status == "cancelled" else 0.7 if concert.day > 0 else 1.0
