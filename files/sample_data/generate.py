"""Writes concerts.csv and ticket_sales.csv around the artists and venues of this directory.

    python files/sample_data/generate.py

The artists and venues are real; the concerts and sales are invented, and the same on every machine: one seed, and of
the random generator only `random()`, whose sequence is fixed for a seed in every Python version. Days are offsets from
an anchor that the first load chooses: -1 is the day before it.

Exit status 1 with `--check` when the committed files are not what this script writes.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TypeVar

DIRECTORY = Path(__file__).resolve().parent
SEED = 20_251_124

CONCERTS = 600
SALES = 6_000
CUSTOMERS = 900
FIRST_DAY, LAST_DAY = -500, 180
#: Nothing is played on the first days from the anchor, so that what is scheduled stays so for a while.
FIRST_SCHEDULED_DAY = 3
SCHEDULED = 165
#: Days before a concert on which its sale opens.
ON_SALE_DAYS = 150

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
    concert_id: str
    artist_id: str
    venue_id: str
    day: int
    prices: tuple[tuple[str, Decimal], ...]
    attendance: int | None
    revenue: Decimal | None
    status: str


class Dice:
    """Choices made of `random.Random.random` alone."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - sample data, not a secret

    def unit(self) -> float:
        """A number from 0 up to 1."""
        return self._random()

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely."""
        return items[int(self.unit() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of `items`, as likely as its weight says."""
        target = self.unit() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            target -= weight
            if target < 0:
                return item
        return items[-1]


def main(arguments: Sequence[str]) -> int:
    """Write the two files, or with `--check` compare them. The exit status."""
    files = generate(_read("artists.csv"), _read("venues.csv"))
    stale = [name for name, text in files.items() if _current(name) != text]
    if arguments == ["--check"]:
        for name in stale:
            print(f"{name} is not what generate.py writes; run python files/sample_data/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DIRECTORY / name).write_bytes(files[name].encode())
    return 0


def generate(artist_rows: Iterable[Mapping[str, str]], venue_rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The text of both files by name."""
    dice = Dice(SEED)
    artists = [Artist(row["artist_id"], float(row["popularity_score"])) for row in artist_rows]
    venues = [Venue(row["venue_id"], int(row["capacity"]), row["venue_type"]) for row in venue_rows]
    concerts = _concerts(dice, artists, venues)
    return {"concerts.csv": _concerts_csv(concerts), "ticket_sales.csv": _sales_csv(dice, concerts, artists)}


def _concerts(dice: Dice, artists: Sequence[Artist], venues: Sequence[Venue]) -> list[Concert]:
    """All concerts by day. No venue has two on a day, and no artist plays within two days of another concert."""
    # How well a house draws by itself, and how often it plays; both differ from house to house on purpose.
    charm = {venue.venue_id: 0.12 * dice.unit() - 0.06 for venue in venues}
    weights = [_bookings(venue) * (0.85 + 0.3 * dice.unit()) for venue in venues]
    taken: set[tuple[str, int]] = set()
    planned: list[tuple[int, str, str]] = []
    while len(planned) < CONCERTS:
        scheduled = len(planned) < SCHEDULED
        day = dice.between(FIRST_SCHEDULED_DAY, LAST_DAY) if scheduled else dice.between(FIRST_DAY, -1)
        venue = dice.weighted(venues, weights)
        fitting = [artist for artist in artists if _fits(artist, venue)]
        artist = dice.weighted(fitting, [artist.popularity**2 for artist in fitting])
        busy = {(artist.artist_id, day + near) for near in range(-2, 3)}
        if (venue.venue_id, day) in taken or busy & taken:
            continue
        taken |= {(venue.venue_id, day), (artist.artist_id, day)}
        planned.append((day, venue.venue_id, artist.artist_id))
    by_venue = {venue.venue_id: venue for venue in venues}
    by_artist = {artist.artist_id: artist for artist in artists}
    return [
        _concert(dice, number, day, by_artist[artist_id], by_venue[venue_id], charm[venue_id])
        for number, (day, venue_id, artist_id) in enumerate(sorted(planned), start=1)
    ]


def _bookings(venue: Venue) -> float:
    """How often a house plays, relative to others: a stadium now and then, a club all the time."""
    return {"stadium": 0.45, "amphitheater": 0.8}.get(venue.kind, 1.0)


def _fits(artist: Artist, venue: Venue) -> bool:
    """Whether this artist would play this house: not too small for the demand, not too large to fill."""
    if artist.popularity >= 90:
        return venue.capacity >= 9_000
    if artist.popularity >= 78:
        return 2_000 <= venue.capacity <= 70_000
    return venue.capacity <= 15_000


def _concert(dice: Dice, number: int, day: int, artist: Artist, venue: Venue, charm: float) -> Concert:
    weight = Decimal("0.55") + Decimal(str(artist.popularity)) / 100
    base = BASE_PRICE[venue.kind] * weight * (90 + dice.between(0, 20)) / 100
    prices = tuple((tier, _price(base * factor)) for tier, factor, _ in TIERS[venue.kind])
    chance, drawn = dice.unit(), dice.unit()
    if day > 0:
        status = "scheduled" if chance < 0.94 else "postponed" if chance < 0.97 else "cancelled"
    else:
        status = "completed" if chance < 0.93 else "cancelled" if chance < 0.97 else "postponed"
    attendance = _attendance(artist, venue, charm, drawn) if status == "completed" else None
    revenue = None if attendance is None else _revenue(attendance, prices, TIERS[venue.kind])
    return Concert(f"concert-{number:04d}", artist.artist_id, venue.venue_id, day, prices, attendance, revenue, status)


def _attendance(artist: Artist, venue: Venue, charm: float, drawn: float) -> int:
    """Seats filled: more for a popular artist, fewer where the house is large for the artist."""
    size = min(1.0, venue.capacity / 90_000)
    rate = 0.50 + 0.50 * artist.popularity / 100 - 0.10 * size + charm + 0.16 * (drawn - 0.5)
    return int(venue.capacity * min(1.0, max(0.25, rate)))


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


def _sales_csv(dice: Dice, concerts: Sequence[Concert], artists: Sequence[Artist]) -> str:
    """The sales, by moment of purchase. Fans of an artist come back, so that returning customers are worth counting."""
    segments = [dice.pick(SEGMENTS) for _ in range(CUSTOMERS)]
    fans: dict[str, list[int]] = defaultdict(list)
    for customer in range(CUSTOMERS):
        for _ in range(3):
            fans[dice.weighted(artists, [artist.popularity**2 for artist in artists]).artist_id].append(customer)
    # A concert that was never on sale before the anchor has no buyer yet; some cancelled ones had sold before.
    on_sale = [concert for concert in concerts if concert.day < ON_SALE_DAYS and concert.status != "postponed"]
    weights = [0.25 if concert.status == "cancelled" else 0.7 if concert.day > 0 else 1.0 for concert in on_sale]
    rows: list[tuple[int, int, str, int, str, int, Decimal]] = []
    while len(rows) < SALES:
        concert = dice.weighted(on_sale, weights)
        regulars = fans[concert.artist_id]
        customer = dice.pick(regulars) if regulars and dice.unit() < 0.6 else dice.between(0, CUSTOMERS - 1)
        earliest, latest = concert.day - ON_SALE_DAYS, min(concert.day, -1)
        # Squared: most tickets go early, when a sale opens.
        day = earliest + int((latest - earliest + 1) * dice.unit() * dice.unit())
        tier, price = dice.pick(concert.prices)
        rows.append((day, dice.between(0, 86_399), concert.concert_id, customer, tier, dice.pick(QUANTITIES), price))
    header = [
        "sale_id", "concert_id", "customer_id", "price_tier", "quantity", "unit_price", "total_amount", "purchase_day",
        "purchase_time", "customer_segment",
    ]  # fmt: skip
    return _csv(
        header,
        (
            [
                f"sale-{number:05d}", concert_id, f"customer-{customer + 1:04d}", tier, quantity, f"{price:.2f}",
                f"{price * quantity:.2f}", day, _time(second), segments[customer],
            ]
            for number, (day, second, concert_id, customer, tier, quantity, price) in enumerate(sorted(rows), start=1)
        ),
    )  # fmt: skip


def _time(second: int) -> str:
    """Seconds since midnight as HH:MM:SS."""
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _concerts_csv(concerts: Sequence[Concert]) -> str:
    header = [
        "concert_id", "artist_id", "venue_id", "event_day", "ticket_prices", "total_attendance", "revenue", "status",
    ]  # fmt: skip
    return _csv(
        header,
        (
            [
                concert.concert_id, concert.artist_id, concert.venue_id, concert.day,
                "|".join(f"{tier}:{price:.2f}" for tier, price in concert.prices),
                "" if concert.attendance is None else concert.attendance,
                "" if concert.revenue is None else f"{concert.revenue:.2f}", concert.status,
            ]
            for concert in concerts
        ),
    )  # fmt: skip


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _read(name: str) -> list[dict[str, str]]:
    with (DIRECTORY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _current(name: str) -> str | None:
    path = DIRECTORY / name
    return path.read_bytes().decode() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
