"""Which column of a contract a source probably means by a name: a guess, for a person to correct."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from ml_assets.ingestion.mapping.names import key, keys_of

CONCEPTS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        (
            "area living_area living_space floor_area floorarea building_area sqft_living size "
            "size_interior constructed_area wohnflache wohnflaeche flache superficie surface"
        ),
        (
            "land lot lot_size land_size landsize land_area landarea sqft_lot plot plot_size "
            "size_total grundstuck grundstuecksflaeche grundstucksflache parcela terrain"
        ),
        "price sale_price sold_price asking_price preis kaufpreis precio prix prezzo",
        "rooms room room_count zimmer zimmeranzahl ambientes pieces locali",
        (
            "bedrooms bedroom beds number_beds bedroom2 num_bedrooms room_number schlafzimmer "
            "habitaciones dormitorios chambres"
        ),
        (
            "bathrooms bathroom baths bath number_baths bathroom_total bath_number badezimmer bader "
            "banos salles_de_bain bagni"
        ),
        "garage_spaces garage garages car parking parking_space_total stellplatze plazas",
        (
            "built_year year_built yr_built yearbuilt construction_year baujahr ano_construccion "
            "annee_construction"
        ),
        "built_on built_date",
        "listed_at date listed_on sold_on sold_at sale_date date_sold listing_date datum fecha",
        "street address address_text strasse adresse direccion calle rue",
        "city town suburb place municipality stadt ort ciudad ville",
        "region state province bundesland provincia departement regionname",
        "postcode postal_code zip zip_code zipcode plz postleitzahl codigo_postal code_postal",
        "latitude lat lattitude breitengrad latitud",
        "longitude long lon lng longtitude langengrad longitud",
        "home_type type property_type dwelling_type objekttyp haustyp tipo",
        "condition zustand estado etat",
        "heating heating_system heizung calefaccion chauffage",
        "cooling cooling_system cooler air_conditioning klimaanlage",
    )
)
"""Names that sources give to one thing, in the languages of some; without accents."""

ACCENTS = str.maketrans("äöüßáàâéèêëíîñóôúûç", "aousaaaeeeeiinoouuc")
ALIKE = 0.82
"""Names that share so much are taken for one, where no list knows them."""


class Guess(NamedTuple):
    """A path that may be a column of the contract."""

    column: str
    path: str
    share: float
    """How much speaks for it, in (0, 1]."""


def matched(
    paths: Iterable[str],
    columns: Collection[str],
    aliases: Mapping[str, Collection[str]],
    *,
    fits: Callable[[str, str], bool] = lambda path, column: True,  # noqa: ARG005
) -> dict[str, str]:
    """The most probable path of each column; no path is two columns.

    Args:
        paths: Of the source.
        columns: Of the contract.
        aliases: By column, other names that the problem knows.
        fits: Whether what is at a path may be a column's values at all.

    Example:
        >>> matched(["Wohnfläche", "Preis"], ["price_usd", "area_m2"], {})
        {'area_m2': 'Wohnfläche', 'price_usd': 'Preis'}
    """
    guesses = [
        Guess(column, path, share)
        for path in paths
        for column in columns
        if (share := _share(path, column, aliases.get(column, ()))) and fits(path, column)
    ]
    found: dict[str, str] = {}
    for guess in sorted(guesses, key=lambda guess: (-guess.share, guess.path)):
        if guess.column not in found and guess.path not in found.values():
            found[guess.column] = guess.path
    return dict(sorted(found.items()))


def stem_and_unit(column: str) -> tuple[str, str]:
    """A contract's column without the unit at its end, and the unit.

    Example:
        >>> stem_and_unit("area_m2"), stem_and_unit("listed_at")
        (('area', 'm2'), ('listed_at', ''))
    """
    stem, _, last = column.rpartition("_")
    return (stem, last) if stem and last in UNITS else (column, "")


UNITS = [
    "m2",
    "km2",
    "sqft",
    "ha",
    "acre",
    "m",
    "km",
    "cm",
    "ft",
    "mile",
    "kg",
    "g",
    "lb",
    "l",
    "celsius",
    "days",
    "usd",
    "eur",
    "cad",
    "aud",
    "gbp",
    "chf",
]
"""Units and currencies that a contract's columns may end with."""


def _share(path: str, column: str, aliases: Collection[str]) -> float:
    name, stem = _plain(keys_of(path)[-1]), stem_and_unit(column)[0]
    without_unit = _without_units(name)
    if name in (column, stem):
        return 1.0
    if name in map(key, aliases):
        return 0.95
    for concept in CONCEPTS:
        if stem in concept and name in concept:
            return 0.9
        if stem in concept and without_unit in concept:
            return 0.85
        if stem in concept and _joined(name) in map(_joined, concept):
            return 0.8
    alike = difflib.SequenceMatcher(None, without_unit, stem).ratio()
    return alike * 0.8 if alike >= ALIKE else 0.0


def _plain(name: str) -> str:
    return name.translate(ACCENTS)


def _joined(name: str) -> str:
    return name.replace("_", "")


def _without_units(name: str) -> str:
    return "_".join(part for part in name.split("_") if part not in UNITS) or name
