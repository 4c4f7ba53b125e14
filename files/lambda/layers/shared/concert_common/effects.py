"""A linear model with two kinds of group effects, fitted in plain Python: what a concert's artist and house add.

    value = coefficients · features + effect of its artist + effect of its venue + chance

Group effects are pulled towards none in the measure that a group has little history (their best linear prediction), and
how far groups really differ is estimated from the data with them, by expectation and maximisation. Some thousand
observations take a fraction of a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

Vector = Sequence[float]
Matrix = Sequence[Vector]

_ROUNDS = 12
#: What a coefficient other than the constant is pulled towards nothing by, as so many observations.
_RIDGE = 1.0
#: Before any data: the spread of chance and of groups, and the observations or groups that this opinion weighs.
_CHANCE, _CHANCE_WEIGHT = 0.25**2, 1
_SPREAD, _SPREAD_WEIGHT = 0.10**2, 1
#: Variances below this are not believed; it also keeps divisions away from zero.
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Observation:
    """One value with its features, the first of which is the constant 1, and its two groups."""

    value: float
    features: Vector
    artist: str
    venue: str


@dataclass(frozen=True)
class Fit:
    """What was learnt. Variances are in squared units of the value."""

    coefficients: Vector
    artists: Mapping[str, float]
    venues: Mapping[str, float]
    chance: float
    artist_spread: float
    venue_spread: float
    normal: Matrix

    def mean(self, features: Vector) -> float:
        """What the features alone say."""
        return sum(c * x for c, x in zip(self.coefficients, features, strict=True))

    def uncertainty(self, features: Vector) -> float:
        """The variance of `mean` from what the coefficients leave open."""
        solved = solve(self.normal, features)
        return self.chance * sum(x * s for x, s in zip(features, solved, strict=True))

    def artist(self, observations: Sequence[Observation]) -> tuple[float, float]:
        """An artist's effect and its variance from that artist's observations."""
        rest = [o.value - self.mean(o.features) - self.venues.get(o.venue, 0.0) for o in observations]
        return _effect(rest, self.chance, self.artist_spread)

    def venue(self, observations: Sequence[Observation]) -> tuple[float, float]:
        """A venue's effect and its variance from that venue's observations."""
        rest = [o.value - self.mean(o.features) - self.artists.get(o.artist, 0.0) for o in observations]
        return _effect(rest, self.chance, self.venue_spread)


def _effect(rest: Sequence[float], chance: float, spread: float) -> tuple[float, float]:
    weight = len(rest) + chance / spread
    return sum(rest) / weight, chance / weight


def fit(observations: Sequence[Observation], features: int, prior: float) -> Fit:
    """Learn from observations of so many features; without any, `prior` is the constant and everything is uncertain."""
    normal = [[0.0] * features for _ in range(features)]
    for observation in observations:
        for i, x in enumerate(observation.features):
            if x:
                for j, y in enumerate(observation.features):
                    normal[i][j] += x * y
    # The prior is one observation's worth of the constant.
    for i in range(features):
        normal[i][i] += _RIDGE
    counts = Counter(o.artist for o in observations), Counter(o.venue for o in observations)
    artists: dict[str, float] = {}
    venues: dict[str, float] = {}
    chance, artist_spread, venue_spread = _CHANCE, _SPREAD, _SPREAD
    coefficients: Vector = [prior, *[0.0] * (features - 1)]
    for _ in range(_ROUNDS if observations else 0):
        right = [prior * _RIDGE, *[0.0] * (features - 1)]
        for o in observations:
            rest = o.value - artists.get(o.artist, 0.0) - venues.get(o.venue, 0.0)
            for i, x in enumerate(o.features):
                right[i] += x * rest
        coefficients = solve(normal, right)
        rests = [o.value - sum(c * x for c, x in zip(coefficients, o.features, strict=True)) for o in observations]
        artists, artist_left = _effects(
            [(o.artist, rest - venues.get(o.venue, 0.0)) for o, rest in zip(observations, rests, strict=True)],
            counts[0], chance, artist_spread,
        )  # fmt: skip
        venues, venue_left = _effects(
            [(o.venue, rest - artists[o.artist]) for o, rest in zip(observations, rests, strict=True)],
            counts[1], chance, venue_spread,
        )  # fmt: skip
        squares = (
            (rest - artists[o.artist] - venues[o.venue]) ** 2 + artist_left[o.artist] + venue_left[o.venue]
            for o, rest in zip(observations, rests, strict=True)
        )
        chance = _variance(sum(squares), len(observations), _CHANCE, _CHANCE_WEIGHT)
        artist_spread = _spread(artists, artist_left)
        venue_spread = _spread(venues, venue_left)
    return Fit(coefficients, artists, venues, chance, artist_spread, venue_spread, normal)


def _effects(
    rests: Sequence[tuple[str, float]], counts: Mapping[str, int], chance: float, spread: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Each group's effect, and the variance that is left of it."""
    sums: dict[str, float] = {}
    for group, rest in rests:
        sums[group] = sums.get(group, 0.0) + rest
    weights = {group: count + chance / spread for group, count in counts.items()}
    return {group: sums[group] / weight for group, weight in weights.items()}, {
        group: chance / weight for group, weight in weights.items()
    }


def _spread(effects: Mapping[str, float], left: Mapping[str, float]) -> float:
    total = sum(effect**2 + left[group] for group, effect in effects.items())
    return _variance(total, len(effects), _SPREAD, _SPREAD_WEIGHT)


def _variance(total: float, count: int, prior: float, weight: int) -> float:
    return max(_LEAST_VARIANCE, (total + prior * weight) / (count + weight))


def solve(matrix: Matrix, right: Vector) -> list[float]:
    """The x of matrix · x = right, by elimination with pivots. The matrix is regular: ridges make it so."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda index: abs(rows[index][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column]
        for index in range(size):
            factor = rows[index][column] / head[column]
            if index != column and factor:
                rows[index] = [x - factor * y for x, y in zip(rows[index], head, strict=True)]
    return [rows[index][size] / rows[index][index] for index in range(size)]


def mean_of(values: Sequence[float], otherwise: float) -> float:
    """The mean, or something else of nothing."""
    return fmean(values) if values else otherwise
