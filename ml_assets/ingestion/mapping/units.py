"""How much of one unit is how much of another.

`pint` knows the units; sources spell them in ways it does not, which `SPELLINGS` brings to its
names. A unit is unknown where neither has it, or where it measures something else.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pint

SPELLINGS = {
    "sqft": "foot ** 2",
    "sq ft": "foot ** 2",
    "square feet": "foot ** 2",
    "square foot": "foot ** 2",
    "ft2": "foot ** 2",
    "sf": "foot ** 2",
    "sqm": "meter ** 2",
    "sq m": "meter ** 2",
    "m2": "meter ** 2",
    "qm": "meter ** 2",
    "square meters": "meter ** 2",
    "square metres": "meter ** 2",
    "sq yd": "yard ** 2",
    "ac": "acre",
    "acres": "acre",
    "ha": "hectare",
    "ft": "foot",
    "mi": "mile",
}
"""In lower case, without dots; powers as digits."""
FACTOR = r"[A-Za-z°µ_]{1,30}(?: ?(?:\^|\*\*)? ?[23])?"
UNIT = re.compile(rf"{FACTOR}(?: ?/ ?{FACTOR})?")
POWER = re.compile(r" ?(?:\^|\*\*)? ?([23])")


class Line(NamedTuple):
    """A conversion: `value * scale + offset`."""

    scale: float
    offset: float

    def of(self, value: float) -> float:
        """Convert a value."""
        return value * self.scale + self.offset


@cache
def conversion(unit: str, to: str) -> Line | None:
    """How values in `unit` become values in `to`; None where they cannot.

    Example:
        >>> round(conversion("sqft", "m2").of(1200), 1)
        111.5
        >>> conversion("sqft", "km") is None
        True
    """
    here, there = _unit(unit), _unit(to)
    if here is None or there is None or not here.is_compatible_with(there):
        return None
    at_zero, at_one = (
        _registry().Quantity(each, here).to(there).magnitude for each in (0.0, 1.0)
    )
    return Line(at_one - at_zero, at_zero)


@cache
def _registry() -> "pint.UnitRegistry[float]":
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _unit(text: str) -> "pint.Unit | None":
    """The unit that a text names, in its own case first: MW is not mW."""
    plain = text.strip().replace("²", "2").replace("³", "3")
    spelling = " ".join(plain.lower().replace(".", " ").split())
    known = SPELLINGS.get(spelling)
    if known is not None:
        return _registry().parse_units(known)
    if not UNIT.fullmatch(plain):
        return None
    powers = POWER.sub(r" ** \1 ", plain)
    return _named(powers) or _named(powers.lower())


def _named(name: str) -> "pint.Unit | None":
    import pint

    try:
        return _registry().parse_units(name)
    except pint.PintError:
        return None
