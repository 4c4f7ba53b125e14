"""How good the baseline of the ticket predictions is: what `python -m tools.back_test` prints.

Concerts of the sample data (or of `--data DIRECTORY` with the same files) are predicted in the order of their days,
each from those before it alone, as the function would have on that day. Beside the baseline stand two who know less:
every house fills as the mean house did so far, and every concert draws as many as the mean concert did so far.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "files" / "lambda" / "layers" / "shared"))

from concert_common.prediction import PastConcert, Prediction, Question, Trend, predict  # noqa: E402 - see above

#: A Monday, as days in the sample data are counted from one.
ANCHOR = date(2026, 1, 5)
#: The share of concerts that only teach.
TRAINING = 0.6
#: Days after which the baseline learns anew; meanwhile concerts of an artist or a house count at once.
LEARNS_EVERY = 14


@dataclass(frozen=True)
class Outcome:
    """One concert: what came, what was predicted, and what the two who know less say."""

    attendance: int
    prediction: Prediction
    by_mean_rate: float
    by_mean_attendance: float

    @property
    def hit(self) -> bool:
        """Whether the real number was within a tenth of the predicted one: what confidence is the chance of."""
        return abs(self.attendance - self.prediction.tickets) <= 0.1 * self.prediction.tickets


def concerts(directory: Path) -> list[PastConcert]:
    """The completed concerts in the order of their days."""

    def rows(name: str) -> Iterator[dict[str, str]]:
        with (directory / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    capacities = {row["venue_id"]: int(row["capacity"]) for row in rows("venues")}
    popularity = {row["artist_id"]: float(row["popularity_score"] or "nan") for row in rows("artists")}
    found = [
        PastConcert(
            row["artist_id"],
            row["venue_id"],
            capacities[row["venue_id"]],
            int(row["total_attendance"]),
            Decimal(row["revenue"] or 0),
            ANCHOR + timedelta(days=int(row["event_day"])),
            popularity[row["artist_id"]],
        )
        for row in rows("concerts")
        if row["status"] == "completed" and row["total_attendance"]
    ]
    return sorted(found, key=lambda concert: concert.day)


def run(history: Sequence[PastConcert], *, with_price: bool) -> list[Outcome]:
    """Predict the later concerts, each from what was before its day. The price is told only if `with_price`."""
    outcomes = []
    trend, learnt = Trend.learn([]), date.min
    for concert in history[round(len(history) * TRAINING) :]:
        past = [other for other in history if other.day < concert.day]
        if concert.day >= learnt + timedelta(days=LEARNS_EVERY):
            trend, learnt = Trend.learn(past), concert.day
        price = Decimal(str(round(concert.price, 2))) if with_price and concert.price else None
        question = Question(
            concert.artist_id, concert.venue_id, concert.capacity, concert.popularity, concert.day, price
        )
        near = [other for other in past if other.artist_id == concert.artist_id or other.venue_id == concert.venue_id]
        outcomes.append(
            Outcome(
                concert.attendance,
                predict(question, near, trend),
                fmean(other.rate for other in past) * concert.capacity,
                fmean(other.attendance for other in past),
            )
        )
    return outcomes


def errors(outcomes: Sequence[Outcome], guesses: Sequence[float]) -> tuple[float, float]:
    """Mean absolute error in tickets, and mean absolute share of the real number."""
    pairs = [(outcome.attendance, guess) for outcome, guess in zip(outcomes, guesses, strict=True)]
    return fmean(abs(real - guess) for real, guess in pairs), fmean(
        abs(real - guess) / real for real, guess in pairs if real
    )


def table(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    """What a reader wants to see of a run."""
    lines = [f"{name}: {len(outcomes)} concerts", f"  {'':28} {'MAE, tickets':>12} {'MAPE':>7}"]
    for label, guesses in (
        ("baseline", [float(outcome.prediction.tickets) for outcome in outcomes]),
        ("mean rate of all houses", [outcome.by_mean_rate for outcome in outcomes]),
        ("mean attendance", [outcome.by_mean_attendance for outcome in outcomes]),
    ):
        mae, mape = errors(outcomes, guesses)
        lines.append(f"  {label:28} {mae:12,.0f} {mape:7.1%}")
    lines += ["", f"  {'confidence':14} {'concerts':>8} {'said':>6} {'within a tenth':>15}"]
    ordered = sorted(outcomes, key=lambda outcome: outcome.prediction.confidence)
    for part in range(3):
        third = ordered[len(ordered) * part // 3 : len(ordered) * (part + 1) // 3]
        said, hits = fmean(o.prediction.confidence for o in third), fmean(o.hit for o in third)
        lines.append(f"  {('lowest', 'middle', 'highest')[part] + ' third':14} {len(third):8} {said:6.2f} {hits:15.2f}")
    inside = fmean(o.prediction.low <= o.attendance <= o.prediction.high for o in outcomes)
    lines += ["", f"  the range, meant to hold 80%, holds {inside:.0%}"]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both runs; 1 if the baseline is no better than the mean rate."""
    parser = argparse.ArgumentParser(description="Back-test the baseline of the ticket predictions.")
    parser.add_argument(
        "--data", type=Path, default=ROOT / "files" / "sample_data", help="directory with the CSV files"
    )
    history = concerts(parser.parse_args(arguments).data)
    better = True
    for name, with_price in (("Without a price", False), ("With the price", True)):
        outcomes = run(history, with_price=with_price)
        print("\n".join([*table(name, outcomes), ""]))
        own, _ = errors(outcomes, [float(outcome.prediction.tickets) for outcome in outcomes])
        mean, _ = errors(outcomes, [outcome.by_mean_rate for outcome in outcomes])
        better = better and own < mean
    return 0 if better else 1


if __name__ == "__main__":
    sys.exit(main())
