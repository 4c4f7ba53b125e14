"""What a message asks for: its intent, how sure that is, what it names, and what it leaves to the conversation so far.

Names are found first and put as marks into the text (`_artist_`, `_venue_`, `_city_`, `_genre_`, `_when_`), so that
signs of an intent are looked for in sentences, whatever the names are made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import Any

from concert_common.text import fold
from concert_common.warehouse import Row
from periods import Period, period_in

LOW_CONFIDENCE = 0.7


class Intent(Enum):
    """What a message can ask for."""

    VENUE_POPULARITY = "venue_popularity"
    ARTIST_LOOKUP = "artist_lookup"
    CONCERT_LOOKUP = "concert_lookup"
    UPCOMING_CONCERTS = "upcoming_concerts"
    RECOMMENDATIONS = "recommendations"
    TICKET_PREDICTION = "ticket_prediction"
    REVENUE_TRENDS = "revenue_trends"
    PREFERENCES = "preferences"
    HELP = "help"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Entity:
    """A name that the warehouse knows and the message contains."""

    id: str
    name: str


@dataclass(frozen=True)
class Entities:
    """What a message names, the longest name first; genres in lower case."""

    artists: tuple[Entity, ...] = ()
    venues: tuple[Entity, ...] = ()
    cities: tuple[Entity, ...] = ()
    genres: tuple[str, ...] = ()
    period: Period | None = None
    count: int | None = None

    @property
    def any(self) -> bool:
        """Whether it names anything at all."""
        return bool(self.artists or self.venues or self.cities or self.genres or self.period)


@dataclass(frozen=True)
class Context:
    """What the conversation is about: the last answer's intent, what it was asked about, and what it showed.

    `focus` entities are what `that artist` or `there` mean; `shown` counts the rows that were shown of that question.
    """

    intent: Intent
    asked: Entities = field(default_factory=Entities)
    focus: Entities = field(default_factory=Entities)
    shown: int = 0

    def to_text(self) -> str:
        """As it is stored with a turn."""

        def names(entities: Entities) -> dict[str, Any]:
            period = entities.period
            return {
                "artists": [[each.id, each.name] for each in entities.artists[:3]],
                "venues": [[each.id, each.name] for each in entities.venues[:3]],
                "cities": [each.name for each in entities.cities[:3]],
                "genres": list(entities.genres[:5]),
                "period": [period.first.isoformat(), period.last.isoformat(), period.name] if period else None,
                "count": entities.count,
            }

        document = {
            "intent": self.intent.value, "asked": names(self.asked), "focus": names(self.focus), "shown": self.shown
        }  # fmt: skip
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Context | None:
        """From what was stored; None from what an older or newer version stored otherwise."""

        def entities(document: Mapping[str, Any]) -> Entities:
            period = document["period"]
            return Entities(
                tuple(Entity(*pair) for pair in document["artists"]),
                tuple(Entity(*pair) for pair in document["venues"]),
                tuple(Entity(name, name) for name in document["cities"]),
                tuple(document["genres"]),
                Period(date.fromisoformat(period[0]), date.fromisoformat(period[1]), period[2]) if period else None,
                document["count"],
            )

        try:
            document = json.loads(text)
            return cls(
                Intent(document["intent"]), entities(document["asked"]), entities(document["focus"]), document["shown"]
            )
        except (ValueError, KeyError, TypeError, IndexError):
            return None


@dataclass(frozen=True)
class Recognised:
    """An intent, how sure it is (0 to 1), and what the message names or means. `skip` rows were shown before."""

    intent: Intent
    confidence: float
    entities: Entities = field(default_factory=Entities)
    skip: int = 0
    followed_up: bool = False

    @property
    def low_confidence(self) -> bool:
        """Whether the answer should say that it may have misunderstood."""
        return self.confidence < LOW_CONFIDENCE


# ---- Names ----

_GENRES = (
    "acoustic", "afrobeats?", "alternative(?: rock)?", "ambient", "americana", "art pop", "bluegrass", "blues",
    "classical", "country", "dance", "disco", "drum and bass", "edm", "electronic(?:a)?", "electropop",
    "folk(?: rock)?",
    "funk", "fusion", "garage rock", "gospel", "grime", "grunge", "hard rock", "heavy metal", "hip.?hop", "house",
    "indie(?: (?:rock|pop|folk))?", "jazz", "j.?pop", "k.?pop", "latin(?: pop)?", "metal", "neo soul", "new wave",
    "opera", "orchestral", "pop(?: (?:rock|punk))?", "post.punk", "progressive rock", "psychedelic(?: rock)?",
    "punk(?: rock)?",
    "r&b", "rap", "reggae", "reggaeton", "rock", "salsa", "singer.songwriter", "ska", "soft rock", "soul", "synth.?pop",
    "techno", "thrash metal", "trap", "trip hop", "world music",
)  # fmt: skip
_WORD_BORDER = r"(?<![^\W_]){}(?![^\W_])"
_GENRE = re.compile(_WORD_BORDER.format("(?:" + "|".join(sorted(_GENRES, key=len, reverse=True)) + ")"))
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNT = re.compile(
    r"\b(?:top|first|next|best|list|show(?: me)?|name|recommend|suggest|pick)(?: the)? (?P<after>\d{1,3}|"
    + "|".join(_NUMBERS)
    + r")\b"
    r"|\b(?P<before>\d{1,3}|"
    + "|".join(_NUMBERS[1:])
    + r") (?:best|most|top|busiest|fullest|concerts?|venues?|shows?|gigs?)\b"
)
_MOST_SHOWN = 50


def entities_in(message: str, rows: Iterable[Row], today: date) -> tuple[Entities, str]:
    """What the message names, from `queries.names_in`, which also finds names inside of words; and the marked text."""
    text = fold(message)
    found: dict[str, list[Entity]] = {"artist": [], "venue": [], "city": []}
    taken: list[tuple[int, int, str]] = []

    def free(start: int, end: int) -> bool:
        # A name inside a longer name that was found before is not meant: "London" in "London Stadium".
        return not any(start < until and since < end for since, until, _ in taken)

    for row in rows:
        kind, name = str(row["kind"]), str(row["name"])
        match = re.search(_WORD_BORDER.format(re.escape(fold(name))), text)
        if match is None or not free(*match.span()):
            continue
        taken.append((*match.span(), f"_{kind}_"))
        found[kind].append(Entity(str(row["id"]), name))
    genres = []
    for match in _GENRE.finditer(text):
        if free(*match.span()):
            taken.append((*match.span(), "_genre_"))
            genres.append(match[0])
    marked = _marked(text, taken)
    period = period_in(marked, today)
    if period is not None:
        start, end = period[1]
        marked = f"{marked[:start]}_when_{marked[end:]}"
    entities = Entities(
        tuple(found["artist"]),
        tuple(found["venue"]),
        tuple(found["city"]),
        tuple(dict.fromkeys(genres)),
        period[0] if period else None,
        _count(marked),
    )
    return entities, " ".join(marked.split())


def _marked(text: str, taken: Iterable[tuple[int, int, str]]) -> str:
    for start, end, mark in sorted(taken, reverse=True):
        text = f"{text[:start]}{mark}{text[end:]}"
    return text


def _count(text: str) -> int | None:
    match = _COUNT.search(text)
    if match is None:
        return None
    number = match["after"] or match["before"]
    value = int(number) if number.isdigit() else _NUMBERS.index(number) + 1
    return min(_MOST_SHOWN, max(1, value))


# ---- Intents ----


def _signs(*pairs: tuple[str, float]) -> tuple[tuple[re.Pattern[str], float], ...]:
    return tuple((re.compile(pattern), weight) for pattern, weight in pairs)


_VENUES = r"(?:venues?|arenas?|halls?|stadiums?|stadia|theat(?:er|re)s?|clubs?|houses?|places?|amphitheat(?:er|re)s?)"
_GREAT = (
    r"(?:popular(?:ity)?|best|top|busiest|biggest|rank\w*|full(?:est)?|fill(?:s|ed)?|packed|leading|number one|crowd\w*"
    r"|attend\w+|occupan\w+|visit(?:ed|ors?)|sell\w* out|sold out|leaderboard|perform best|highest)"
)
_SHOWS = r"(?:concerts?|shows?|gigs?|events?|live music|dates?|performances?)"
_ACTS = r"(?:artists?|bands?|singers?|musicians?|acts?|performers?|groups?)"
_ON_STAGE = rf"{_SHOWS}|tour\w*|play\w*|perform\w*|live|tickets?|schedule\w*"
_FACTS = r"info(?:rmation)?|background|stats|facts|profile|bio(?:graphy)?"
_MONEY = r"(?:revenues?|earn\w*|gross\w*|income|turnover|money|takings|financ\w+|profit\w*)"

#: Signs of each intent in the marked text with the share of doubt that each removes. They combine: 1 - (1-a)(1-b)…
_SIGNS: Mapping[Intent, tuple[tuple[re.Pattern[str], float], ...]] = {
    Intent.VENUE_POPULARITY: _signs(
        (rf"\b{_GREAT}\b.{{0,40}}\b{_VENUES}\b", 0.85),
        (rf"\b{_VENUES}\b.{{0,40}}\b{_GREAT}\b", 0.85),
        (r"\bvenues?\b", 0.4),
        (r"\bwhere\b.{0,40}\b(?:sell out|sold out|attendance|crowded|full(?:est)?)\b", 0.8),
        (r"\battendance\b", 0.3),
        (r"\b(?:rank\w*|leaderboard|occupan\w+)\b", 0.4),
    ),
    Intent.TICKET_PREDICTION: _signs(
        (r"\b(?:predict\w*|forecast\w*|project(?:ed|ion)s?|prognos\w+)\b", 0.85),
        (r"\b(?:estimate\w*|expect\w*|likely|turnout)\b", 0.8),
        (r"\bhow many (?:tickets|people|seats|visitors|fans|would|will|could)\b", 0.7),
        (r"\b(?:would|will|could|can)\b.{0,60}\b(?:sell|sells|fill|fills|draw|draws|come|attract)\b", 0.75),
        (r"\bsells? out\b.{0,20}_venue_|\bfill\b.{0,20}_venue_", 0.4),
        (r"\b(?:would|could|will)\b.{0,40}(?:_artist_.{0,40}_venue_|_venue_.{0,40}_artist_)", 0.7),
        (r"\bif _artist_ (?:play\w*|perform\w*)\b|\bwhat if\b", 0.8),
        (r"_artist_.{1,40}_venue_", 0.2),
        (r"\b(?:estimate\w*|forecast\w*|predict\w*)\b.{0,20}\b(?:tickets?|sales)\b", 0.6),
        (r"\bhow full (?:would|will|could)\b", 0.75),
    ),
    Intent.RECOMMENDATIONS: _signs(
        (r"\b(?:recommend\w*|suggest\w*|advi[sc]e\w*|tips?|surprise me)\b", 0.9),
        (r"\bwhat (?:should|could|would) i (?:go|see|hear|watch|attend|visit|like|enjoy)\b", 0.85),
        (r"\b(?:where|who else|what else|which concert|what) should i\b", 0.75),
        (r"\b(?:similar to|something like|like that|sounds? like|more like)\b", 0.8),
        (rf"\b(?:find|pick|choose|select)\b.{{0,20}}\b(?:me|something|{_SHOWS})\b", 0.8),
        (r"\bi(?:'m| am)? (?:really )?(?:like|love|enjoy|adore|prefer|into|a fan of)\b", 0.75),
        (r"\b(?:favou?rite)\b", 0.6),
        (r"\b(?:my taste|in the mood|feel like|for me|suits? me|would (?:i )?(?:like|enjoy|suit))\b", 0.65),
        (r"\b(?:good|great|nice|right)\b.{0,20}\b(?:for|fan)\b", 0.4),
        (r"\b(?:fans?|someone) (?:of|who)\b|_genre_ fans?\b", 0.5),
        (r"\b(?:any ideas?|decide|choose)\b", 0.5),
    ),
    Intent.CONCERT_LOOKUP: _signs(
        (rf"_artist_.{{0,60}}\b(?:{_ON_STAGE}|com(?:e|es|ing) to)\b", 0.75),
        (rf"\b(?:{_ON_STAGE}|see|hear|price\w*|cost\w*|next)\b.{{0,40}}_artist_", 0.75),
        (r"\b(?:on|at|playing|plays|play|perform\w*|in)\b.{0,15}_venue_", 0.5),
        (rf"\b(?:what(?:'s| is) on|who|which {_ACTS}|{_SHOWS}|schedule|program\w*|calendar)\b.{{0,30}}_venue_", 0.75),
        (r"\b(?:when|where)\b.{0,40}_artist_", 0.6),
        (r"\b(?:how much|price\w*|cost\w*)\b", 0.5),
        (r"_artist_ tour\b|\bon tour\b", 0.5),
        (r"_venue_.{0,40}\b(?:schedule|program\w*|calendar)\b|\blast (?:concert|show)\b", 0.6),
    ),
    Intent.UPCOMING_CONCERTS: _signs(
        (r"\b(?:upcoming|coming up|scheduled?|programme|program|calendar|agenda)\b", 0.6),
        (r"\b(?:what's|what is|anything|who's|who is)\b.{0,20}\b(?:on|happening|going on|next|playing)\b", 0.6),
        (rf"\b{_SHOWS}\b", 0.5),
        (r"_when_", 0.45),
        (r"\b(?:in|near|around)\b.{0,10}_city_", 0.4),
        (r"\bwhat can i (?:see|hear|go)\b|\bwhere can i (?:hear|see)\b", 0.5),
        (rf"_genre_.{{0,10}}\b(?:{_SHOWS}|on)\b", 0.4),
        (r"\b(?:near me|nearby|around here)\b", 0.4),
    ),
    Intent.ARTIST_LOOKUP: _signs(
        (r"^_artist_$", 0.9),
        (rf"\b(?:{_FACTS}|about|who (?:is|are)|describe|know|have on)\b.{{0,40}}_artist_", 0.8),
        (rf"_artist_.{{0,20}}\b(?:{_FACTS})\b", 0.8),
        (r"\bhow (?:popular|successful|big|well|good|famous|loyal)\b.{0,30}_artist_", 0.85),
        (r"\bhow (?:is|are|did|does|do)\b.{0,10}_artist_.{0,10}\b(?:doing|do|fare)\b", 0.85),
        (r"\b(?:genre|style|kind|type|sort)\b.{0,30}_artist_", 0.85),
        (r"\b(?:genre|style) of music\b", 0.4),
        (r"\bhow many (?:concerts|shows|gigs)\b.{0,20}_artist_", 0.85),
        (r"\bfans?\b.{0,20}_artist_|_artist_.{0,20}\bfans\b", 0.5),
        (r"_artist_.{0,10}\b(?:popular|famous|successful)\b", 0.8),
    ),
    Intent.REVENUE_TRENDS: _signs(
        (rf"\b{_MONEY}\b", 0.8),
        (r"\b(?:trends?|trending|growth|growing|develop\w*)\b", 0.6),
        (r"\b(?:sales|selling)\b", 0.55),
        (r"\b(?:ticket sales|monthly|by month|per month|best months?|business)\b", 0.5),
        (r"\b(?:highest|best|top|most)\b.{0,15}\b(?:earning|selling|grossing)\b", 0.7),
        (r"\b(?:up or down|falling|rising|last year)\b", 0.3),
        (r"\breport\b", 0.3),
    ),
    Intent.PREFERENCES: _signs(
        (r"\b(?:forget|delete|remove|clear)\b.{0,30}\b(?:preferences?|taste|like|know|me)\b", 0.9),
        (r"\bmy preferences?\b|\bwhat do you (?:know|remember) about me\b|\bwhat do i like\b", 0.9),
        (r"\bi(?:'m| am)? (?:live|living|based|at home|come from|am from|from)\b.{0,12}_city_", 0.9),
        (r"\bi (?:do not|don't|dont) (?:like|enjoy|want)\b|\bi (?:hate|dislike)\b", 0.85),
        (r"\bremember\b.{0,30}\bi\b", 0.6),
    ),
    Intent.HELP: _signs(
        (r"^(?:please )?help(?: me)?(?: please)?$|\bhelp\b(?!.{0,30}\b(?:choose|decide|find|pick|see)\b)", 0.85),
        (r"\bwhat (?:can|could|do|are) you (?:do|know|able|understand|answer|offer)\b", 0.9),
        (r"\b(?:questions?|what) (?:can|could|should|to) (?:i )?ask\b|\bkind of questions\b", 0.85),
        (r"\bhow (?:does|do|can|to) (?:this|it|i|you)? ?(?:work|use)\b|\bhow to use\b", 0.85),
        (r"\b(?:my options|assist me|who are you|who made you|are you able|you understand)\b", 0.8),
        (r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks|thank you)\b(?: there)?", 0.75),
    ),
}  # fmt: skip

#: What a named entity says about the intent.
_ENTITY_SIGNS: tuple[tuple[str, Intent, float], ...] = (
    ("artists", Intent.ARTIST_LOOKUP, 0.35),
    ("artists", Intent.TICKET_PREDICTION, 0.1),
    ("artists", Intent.CONCERT_LOOKUP, 0.3),
    ("artists", Intent.RECOMMENDATIONS, 0.1),
    ("venues", Intent.CONCERT_LOOKUP, 0.35),
    ("venues", Intent.TICKET_PREDICTION, 0.2),
    ("cities", Intent.UPCOMING_CONCERTS, 0.3),
    ("cities", Intent.RECOMMENDATIONS, 0.15),
    ("genres", Intent.RECOMMENDATIONS, 0.3),
    ("genres", Intent.UPCOMING_CONCERTS, 0.25),
    ("period", Intent.UPCOMING_CONCERTS, 0.15),
)
#: A sentence about concerts that names one artist or house is a look-up of theirs, not a list of all.
_NAMED_RATHER_THAN_ALL = (Intent.UPCOMING_CONCERTS, Intent.CONCERT_LOOKUP)
_UNKNOWN_CONFIDENCE = 0.2
_LEAST_CERTAIN = 0.42
#: A runner-up this close makes the choice itself doubtful.
_CLOSE, _DOUBT = 0.08, 0.85
_MOST_CERTAIN = 0.98


def recognise(marked: str, entities: Entities) -> Recognised:
    """The likeliest intent of a marked text by itself: how much doubt its signs leave, less if another is close."""
    text = re.sub(r"[^\w' &]+", " ", marked)
    text = " ".join(text.split())
    doubts: dict[Intent, float] = {}
    signed: set[Intent] = set()
    for intent, signs in _SIGNS.items():
        doubt = 1.0
        for pattern, weight in signs:
            if pattern.search(text):
                doubt *= 1 - weight
                signed.add(intent)
        doubts[intent] = doubt
    for attribute, intent, weight in _ENTITY_SIGNS:
        if getattr(entities, attribute):
            doubts[intent] *= 1 - weight
    if (entities.artists or entities.venues) and Intent.UPCOMING_CONCERTS in signed:
        everything, theirs = _NAMED_RATHER_THAN_ALL
        doubts[theirs] = min(doubts[theirs], doubts[everything]) * 0.8
        doubts[everything] = 1.0
    ranked = sorted(doubts.items(), key=lambda item: (item[1], list(Intent).index(item[0])))
    (intent, doubt), (_, next_doubt) = ranked[0], ranked[1]
    confidence = min(_MOST_CERTAIN, 1 - doubt)
    if confidence < _LEAST_CERTAIN or intent not in signed:
        return Recognised(Intent.UNKNOWN, _UNKNOWN_CONFIDENCE, entities)
    if next_doubt - doubt < _CLOSE:
        confidence *= _DOUBT
    return Recognised(intent, round(confidence, 2), entities)


def needs_names(message: str) -> bool:
    """Whether it is worth asking the warehouse for names: not for a plain greeting or a call for help."""
    entities, marked = entities_in(message, (), date(2000, 1, 1))
    found = recognise(marked, entities)
    return not (found.intent is Intent.HELP and not found.low_confidence)


# ---- The conversation so far ----


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that a wish for more of the same is made of, and those of which one must be among them.
_MORE_WORDS = _words("next more other others another different rest further continue remaining else going")
_AROUND_MORE = _words(
    "and ok okay so yes please show give list are is any me there us the some one ones few page of them those what on"
    " go keep something results venues concerts shows artists " + " ".join(_NUMBERS)
)
#: Words around a name that say that it is to be put into the last question; more of them after a lead.
_AROUND_NAMES = _words("in at for by with on the only just instead of then please near around a to")
_LEADS = _words("and what how same or ok okay so then but now about")
_AROUND_LED_NAMES = _AROUND_NAMES | _LEADS | _words("concerts concert shows show music gigs venues artists there")
_MARK = re.compile(r"_(?:artist|venue|city|genre|when)_")


def _wants_more(words: Sequence[str]) -> bool:
    """Whether all that is said is that there should be more."""
    return any(word in _MORE_WORDS for word in words) and all(
        word in _MORE_WORDS or word in _AROUND_MORE or word.isdigit() for word in words
    )


def _puts_in(words: Sequence[str]) -> bool:
    """Whether all that is said are names, and that they take the place of others: `what about Chicago?`."""
    around = _AROUND_LED_NAMES if words and words[0] in _LEADS else _AROUND_NAMES
    named = [bool(_MARK.fullmatch(word)) for word in words]
    return any(named) and all(name or word in around for name, word in zip(named, words, strict=True))


_THAT_ARTIST = re.compile(
    r"\b(?:that|this|the|same|these|those) (?:" + _ACTS[3:-1] + r")\b|\b(?:they|them|their|he|him|his|she|her|hers)\b"
)
_THAT_VENUE = re.compile(r"\b(?:that|this|the same) " + _VENUES + r"\b|\bthere\b(?! (?:any|a|is|are|some|be)\b)")
_THAT_CITY = re.compile(r"\b(?:that|this|the same) (?:city|town)\b")
_FOLLOWING_CONFIDENCE = 0.75
#: Intents that can be asked again with something else put in.
_REPEATABLE = frozenset(Intent) - {Intent.HELP, Intent.UNKNOWN, Intent.PREFERENCES}


def understand(message: str, rows: Iterable[Row], today: date, context: Context | None) -> Recognised:
    """What the message means, given what the conversation was about."""
    entities, marked = entities_in(message, rows, today)
    text = " ".join(re.sub(r"[^\w' &]+", " ", marked).split())
    if context is None:
        return recognise(marked, entities)
    if context.intent in _REPEATABLE:
        words = text.split()
        if _wants_more(words):
            asked = replace(context.asked, count=entities.count or context.asked.count)
            return Recognised(context.intent, _FOLLOWING_CONFIDENCE, asked, context.shown, followed_up=True)
        # An artist's name alone asks about that artist, unless concerts were the subject.
        if _puts_in(words) and not (text == "_artist_" and context.intent is not Intent.CONCERT_LOOKUP):
            return _again(context, entities)
    named, marks = _resolved(text, entities, context.focus)
    found = recognise(marks, named)
    return replace(found, followed_up=named != entities)


def _again(context: Context, entities: Entities) -> Recognised:
    """The last question with what the message names put in."""
    before = context.asked
    asked = Entities(
        entities.artists or before.artists,
        entities.venues or before.venues,
        entities.cities or before.cities,
        entities.genres or before.genres,
        entities.period or before.period,
        entities.count or before.count,
    )
    # Another city is not where the house of the question before stands, and the other way round.
    if entities.cities and not entities.venues:
        asked = replace(asked, venues=())
    if entities.venues and not entities.cities:
        asked = replace(asked, cities=())
    intent = context.intent
    if intent is Intent.UPCOMING_CONCERTS and (entities.artists or entities.venues):
        intent = Intent.CONCERT_LOOKUP
    if intent is Intent.CONCERT_LOOKUP and entities.venues and not entities.artists and not before.venues:
        asked = replace(asked, artists=before.artists)
    if intent is Intent.ARTIST_LOOKUP and (entities.cities or entities.venues or entities.period):
        intent = Intent.CONCERT_LOOKUP
    return Recognised(intent, _FOLLOWING_CONFIDENCE, asked, followed_up=True)


def _resolved(text: str, entities: Entities, focus: Entities) -> tuple[Entities, str]:
    """What `they`, `that venue` and `there` mean, put in where the message itself names none."""
    if not entities.artists and focus.artists and _THAT_ARTIST.search(text):
        entities, text = replace(entities, artists=focus.artists[:1]), _THAT_ARTIST.sub("_artist_", text, count=1)
    if not entities.venues and not entities.cities and _THAT_VENUE.search(text):
        if focus.venues:
            entities, text = replace(entities, venues=focus.venues[:1]), _THAT_VENUE.sub("at _venue_", text, count=1)
        elif focus.cities:
            entities, text = replace(entities, cities=focus.cities[:1]), _THAT_VENUE.sub("in _city_", text, count=1)
    if not entities.cities and focus.cities and _THAT_CITY.search(text):
        entities, text = replace(entities, cities=focus.cities[:1]), _THAT_CITY.sub("_city_", text, count=1)
    return entities, text


#: Where the user is at home.
NEAR_ME = re.compile(r"\b(?:near me|nearby|around here|in my (?:city|town|area)|close by)\b")
