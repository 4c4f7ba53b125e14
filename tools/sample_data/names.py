"""Names for invented artists, people and venues. Each function turns numbers from 0 up to 1 into a name."""

from __future__ import annotations

from collections.abc import Sequence


def _words(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.split(",")]


_FIRST = _words("""
    Amber Arctic Autumn Blue Broken Burning Copper Crimson Crystal Dancing Distant Early Electric Emerald Endless
    Fading Falling Flying Forgotten Frozen Gentle Golden Gravel Hidden Hollow Humble Iron Ivory Jagged Laughing
    Lonesome Lucid Marble Midnight Missing Neon Nervous Northern Paper Patient Plastic Quiet Restless Rising Rusty
    Scarlet Secret Silent Silver Southern Spinning Static Tender Thirsty Velvet Violet Wandering Wild Winter Wooden
""")
_SECOND = _words("""
    Anchors Antlers Architects Arrows Atlas Bears Bells Birches Bridges Candles Canyons Cartographers Castles Choirs
    Clocks Comets Crowns Currents Daughters Deserts Echoes Engines Falcons Feathers Ferries Foxes Gardens Ghosts
    Harbours Horizons Islands Kites Ladders Lanterns Letters Lions Magnets Mirrors Monuments Mountains Oceans
    Orchards Owls Parades Pilots Planets Postcards Rivers Sailors Satellites Shadows Signals Sparrows Strangers
    Streets Summers Tigers Towers Trains Whales Windows Wolves
""")
_GIVEN = _words("""
    Ada Alma Amir Anouk Ben Carla Chidi Clara Dario Elif Emil Esra Femi Finn Greta Hana Hugo Ines Ivo Jonas Kofi
    Lena Liam Lucia Maja Malik Mateo Mina Nadia Noah Nora Olga Omar Paula Rafael Ravi Rosa Sami Sofia Tariq Thea
    Yuki
""")
_FAMILY = _words("""
    Adeyemi Almeida Andersen Bauer Becker Campos Castillo Cohen Dubois Eriksen Ferrari Fischer Garcia Haddad Hansen
    Ibrahim Ito Jansen Kaya Keller Khan Kowalski Larsen Laurent Lindgren Marino Mensah Moreau Murphy Nakamura Novak
    Okafor Olsen Pereira Petrov Rossi Sato Schmidt Silva Singh Tanaka Vega Weber Yilmaz
""")
_PLACES = _words("""
    Abbey Bellevue Bluebird Bridge Canal Castle Cedar Central Chapel Circle Corner Crescent Crown Docklands Eagle
    Eastside Empire Foundry Garden Globe Grand Granite Harbour Heritage Hillside Junction Lakeside Liberty
    Lighthouse Market Meridian Metro Millpond Northgate Oak Orchid Palace Paragon Pier Pioneer Plaza Queens Railway
    Regent Riverside Rose Royal Summit Sunset Temple Union Victoria Viaduct Westgate Wharf
""")
_HOUSES = {
    "stadium": "Stadium",
    "arena": "Arena",
    "amphitheater": "Amphitheater",
    "theater": "Theatre",
    "hall": "Hall",
    "club": "Club",
}
_STREETS = _phrases("""
    Station Road, High Street, Mill Lane, Park Avenue, Church Street, King Street, Bridge Street, Victoria Road,
    Market Square, Queen Street, Elm Street, Harbour Road, School Lane, West Street, Garden Street
""")
_PLAIN = str.maketrans("ãáàâäçéèêëíïñóôöúü", "aaaaaceeeeiinooouu")

#: Half of the names there are: beyond that, drawing one that is not taken begins to take long.
MOST_ARTISTS = len(_FIRST) * len(_SECOND) // 2
MOST_VENUES_PER_PLACE = len(_PLACES) // 2


def artist(first: float, second: float) -> str:
    """The name of a band."""
    return f"{_at(_FIRST, first)} {_at(_SECOND, second)}"


def person(given: float, family: float) -> str:
    """The name of a person."""
    return f"{_at(_GIVEN, given)} {_at(_FAMILY, family)}"


def venue(kind: str, place: float) -> str:
    """The name of a venue of this kind."""
    return f"{_at(_PLACES, place)} {_HOUSES[kind]}"


def street(which: float) -> str:
    """The name of a street."""
    return _at(_STREETS, which)


def slug(name: str) -> str:
    """A name as part of an id: small letters, digits and dashes."""
    plain = "".join(
        letter if letter.isascii() and letter.isalnum() else " " for letter in name.lower().translate(_PLAIN)
    )
    return "-".join(plain.split())


def _at(words: Sequence[str], unit: float) -> str:
    return words[int(unit * len(words))]
