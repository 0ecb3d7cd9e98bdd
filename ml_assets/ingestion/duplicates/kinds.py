"""How two values are compared, by kind, as expressions of DuckDB.

A kind reads columns into a form in which they can be compared, says how far apart two such values
are, and gives keys: values that are near share at least one, so that only rows of one key need
be compared. What nearness is worth is said by the levels of `config.yaml`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ml_assets.problem.duplicates import Kind

METRES_PER_DEGREE = 111_195
"""Of latitude, on a sphere of the Earth's mean radius of 6,371 km."""

ABBREVIATIONS = {
    "street": "st",
    "str": "st",
    "strasse": "st",
    "road": "rd",
    "avenue": "av",
    "ave": "av",
    "avda": "av",
    "avenida": "av",
    "drive": "dr",
    "place": "pl",
    "plaza": "pl",
    "platz": "pl",
    "lane": "ln",
    "court": "ct",
    "crescent": "cr",
    "cres": "cr",
    "boulevard": "bd",
    "blvd": "bd",
    "parade": "pde",
    "terrace": "tce",
    "ter": "tce",
    "highway": "hwy",
    "square": "sq",
    "close": "cl",
    "circle": "cir",
    "trail": "trl",
    "calle": "c",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
}
"""Words of street names to their shortest form."""

UNSAID = ("apt", "apartment", "unit", "flat", "suite", "no", "nr")
"""Words that only announce the number of a flat."""


class Reading(NamedTuple):
    """One kind of comparison; `name` is that of the comparison."""

    read: Callable[[str, Sequence[str]], dict[str, str]]
    """Name and columns to the columns that are compared: their names, and how they are read."""
    apart: Callable[[str], str]
    """Name to how far the left and the right value are apart; asked only where both are there."""
    keys: Callable[[str, float], str]
    """Name, and how far apart near values may be, to a list of keys."""


def column(name: str) -> str:
    """A column's name as SQL reads it."""
    return '"' + name.replace('"', '""') + '"'


def plain(text: str) -> str:
    """SQL for a text in lower case, without accents and marks; null where nothing is left."""
    lower = f"replace(lower(strip_accents(cast({text} as varchar))), 'ß', 'ss')"
    return f"nullif(trim(regexp_replace({lower}, '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')), '')"


def share_apart(left: str, right: str) -> str:
    """SQL for how far two numbers are apart: their difference over the smaller one.

    So 130 is 16.6 % apart from 111.5, whichever is said first.
    """
    smaller = f"least(abs({left}), abs({right}))"
    return (
        f"case when {left} = {right} then 0.0 when {smaller} = 0 then 'infinity'::double "
        f"else abs({left} - {right}) / {smaller} end"
    )


def _both(name: str) -> tuple[str, str]:
    return column(f"{name}_l"), column(f"{name}_r")


def _read_text(name: str, columns: Sequence[str]) -> dict[str, str]:
    return {name: plain(column(columns[0]))}


def _read_number(name: str, columns: Sequence[str]) -> dict[str, str]:
    return {name: f"try_cast({column(columns[0])} as double)"}


def _read_place(name: str, columns: Sequence[str]) -> dict[str, str]:
    latitude, longitude = (f"try_cast({column(each)} as double)" for each in columns)
    is_there = f"{latitude} between -90 and 90 and {longitude} between -180 and 180"
    return {
        name: f"case when {is_there} then {latitude} end",
        f"{name}_east": f"case when {is_there} then {longitude} end",
    }


def _read_street(name: str, columns: Sequence[str]) -> dict[str, str]:
    joined = "regexp_replace({}, '([a-z]{{3,}})str(asse)?\\b', '\\1 st', 'g')"
    words = f"string_split({joined.format(plain(column(columns[0])))}, ' ')"
    short = ", ".join(f"'{long}': '{each}'" for long, each in ABBREVIATIONS.items())
    said = f"list_filter({words}, lambda w: w not in {UNSAID!r})"
    numbers = f"list_filter({said}, lambda w: regexp_matches(w, '^[0-9]+[a-z]?$'))"
    names = f"list_filter({said}, lambda w: not regexp_matches(w, '^[0-9]+[a-z]?$'))"
    shortened = f"list_transform({names}, lambda w: coalesce(map {{{short}}}[w], w))"
    return {
        name: f"nullif(array_to_string({shortened}, ' '), '')",
        f"{name}_numbers": f"list_sort({numbers})",
    }


def _apart_equal(name: str) -> str:
    left, right = _both(name)
    return f"case when {left} = {right} then 0.0 else 1.0 end"


def _apart_text(name: str) -> str:
    left, right = _both(name)
    return f"1 - jaro_winkler_similarity({left}, {right})"


def _apart_street(name: str) -> str:
    """Names count where numbers do not contradict; a number that one does not say leaves a doubt."""
    left, right = _both(f"{name}_numbers")
    doubt = (
        f"case when {left} = {right} and len({left}) > 0 then 0.0 "
        f"when len({left}) = 0 or len({right}) = 0 then 0.2 "
        f"when len({left}) <> len({right}) "
        f"and (list_has_all({left}, {right}) or list_has_all({right}, {left})) then 0.15 "
        "else 1.0 end"
    )
    return f"greatest({_apart_text(name)}, {doubt})"


def _apart_number(name: str) -> str:
    return share_apart(*_both(name))


def _apart_place(name: str) -> str:
    north, south = _both(name)
    east, west = _both(f"{name}_east")
    across = f"({east} - {west}) * cos(radians(({north} + {south}) / 2))"
    return f"{METRES_PER_DEGREE} * sqrt(pow({north} - {south}, 2) + pow({across}, 2))"


def _keys_of_value(name: str, widest: float) -> str:  # noqa: ARG001 - all kinds are asked alike
    value = column(name)
    return f"case when {value} is null then [] else [cast({value} as varchar)] end"


def _keys_of_street(name: str, widest: float) -> str:  # noqa: ARG001 - all kinds are asked alike
    """House numbers, each with how the longest word begins; typos seldom are there."""
    words = f"list_sort(string_split({column(name)}, ' '))"
    longest = f"list_reduce({words}, lambda a, b: case when len(b) > len(a) then b else a end)"
    return (
        f"case when {column(name)} is null then [] else list_transform("
        f"list_distinct({column(f'{name}_numbers')}), lambda n: concat(n, ' ', substr({longest}, 1, 2))) end"
    )


def _keys_of_number(name: str, widest: float) -> str:
    """Two rulers of logarithms, shifted by half: near values share a division of one of them."""
    value = column(name)
    steps = f"ln({value}) / (2 * ln(1 + {max(widest, 1e-6)!r}))"
    keys = f"list_transform([0.0, 0.5], lambda s: concat(s, ' ', floor({steps} + s)))"
    return f"case when {value} > 0 then {keys} else [] end"


def _keys_of_place(name: str, widest: float) -> str:
    """Four grids, shifted by half a cell: near places share a cell of one of them."""
    edge = 2 * max(widest, 1.0) / METRES_PER_DEGREE
    row = f"floor({column(name)} / {edge!r} + n)"
    # Of the row, not of the place: places in one row must be measured alike.
    shrink = f"cos(radians(({row} - n) * {edge!r}))"
    cell = f"floor({column(f'{name}_east')} * {shrink} / {edge!r} + e)"
    grids = (
        "list_transform([0.0, 0.5], lambda e: list_transform([0.0, 0.5], lambda n: "
        f"concat(n, ' ', e, ' ', {row}, ' ', {cell})))"
    )
    return f"case when {column(name)} is null then [] else flatten({grids}) end"


KINDS: dict[Kind, Reading] = {
    "equal": Reading(_read_text, _apart_equal, _keys_of_value),
    "text": Reading(_read_text, _apart_text, _keys_of_value),
    "street": Reading(_read_street, _apart_street, _keys_of_street),
    "number": Reading(_read_number, _apart_number, _keys_of_number),
    "place": Reading(_read_place, _apart_place, _keys_of_place),
}
