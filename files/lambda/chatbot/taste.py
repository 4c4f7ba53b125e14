"""What users say of their own taste and home, taken out of their messages and remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from answers import Preferences
from concert_common.text import fold
from conversation import Conversations
from core import ChatRequest
from understanding import Entities, Recognised

_LIKES = re.compile(
    r"\bi(?:'m| am)? (?:really |also |just |still )?"
    r"(?:like|love|enjoy|adore|prefer|into|(?:a )?(?:big |huge )?fan of)\b"
    r"|\bmy favou?rite\b"
)
_DISLIKES = re.compile(
    r"\bi (?:do not|don't|dont|no longer) (?:really )?(?:like|love|enjoy|want)\b|\bi (?:hate|dislike)\b"
)
_LIVES = re.compile(r"\bi(?:'m| am)? (?:now |currently )?(?:live|living|based|from|at home)\b")
_FORGET = re.compile(r"\b(?:forget|delete|remove|clear)\b.{0,30}\b(?:preferences?|taste|like|know|me)\b")


@dataclass(frozen=True)
class Statement:
    """What a user says. `forget` means all that was said before."""

    likes: bool = False
    dislikes: bool = False
    home: str | None = None
    forget: bool = False


def statement_in(message: str, entities: Entities) -> Statement:
    """What the message says of its sender, about what it names."""
    text = fold(message)
    names = bool(entities.genres or entities.artists)
    dislikes = names and bool(_DISLIKES.search(text))
    return Statement(
        names and not dislikes and bool(_LIKES.search(text)),
        dislikes,
        entities.cities[0].name if entities.cities and _LIVES.search(text) else None,
        bool(_FORGET.search(text)),
    )


def changed(known: Preferences, said: Statement, entities: Entities) -> Preferences:
    """What is known after this."""
    genres, artists = entities.genres, tuple(artist.name for artist in entities.artists)
    if said.likes:
        known = replace(
            known,
            genres=tuple(sorted({*known.genres, *genres})),
            artists=tuple(sorted({*known.artists, *artists})),
        )
    elif said.dislikes:
        known = replace(
            known,
            genres=tuple(genre for genre in known.genres if genre not in genres),
            artists=tuple(name for name in known.artists if name not in artists),
        )
    return replace(known, home=said.home) if said.home else known


def learn(
    request: ChatRequest, recognised: Recognised, known: Preferences, conversations: Conversations, now: datetime
) -> tuple[str, Preferences]:
    """Remember what the message says of its sender: a sentence to tell so, and what is known now."""
    said = statement_in(request.message, recognised.entities)
    if request.user_id is None:
        return "", known
    if said.forget:
        done = conversations.forget(request.user_id)
        return (
            ("I have forgotten your preferences.", Preferences()) if done else ("I could not forget that now.", known)
        )
    after = changed(known, said, recognised.entities)
    if after == known:
        return "", known
    if not conversations.remember(request.user_id, after, now):
        return "", known
    return ("I will no longer count on that." if said.dislikes else "I will remember that."), after
