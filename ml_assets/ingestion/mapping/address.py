"""An address in one text, taken apart.

From the right: what a post office wrote last says most. Three ways of writing are known:
"15 Star Thistle, Irvine, CA 92604" (state and code last), "1 Acorn Place, South Lake WA 6164"
(town with them) and "Hauptstr. 5, 79098 Freiburg" (code before the town). A part that an address
does not say is None; nothing is guessed from the town's name.
"""

import re
from typing import Literal, NamedTuple, get_args

Part = Literal["street", "city", "state", "zip_code"]
PARTS: tuple[Part, ...] = get_args(Part)

BETWEEN = re.compile(r"\s*[,|;\n]\s*")
ZIP = r"[0-9]{5}(?:-[0-9]{4})?|[A-Za-z][0-9][A-Za-z] ?[0-9][A-Za-z][0-9]|[0-9]{4}"
ZIP_LAST = re.compile(rf"(?P<rest>.*?)\s*\b(?P<zip_code>{ZIP})")
ZIP_FIRST = re.compile(rf"(?P<zip_code>{ZIP})\s+(?P<rest>\D+)")
TOWN_AND_STATE = re.compile(r"(?P<city>.*\S)\s+(?P<state>[A-Z]{2,3})")
STATE_APART = 3
"""Pieces of an address whose state stands apart from its town."""


class Address(NamedTuple):
    """The parts of an address; None for what it does not say."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip_code: str | None = None


def address_of(text: str) -> Address:
    """Take an address apart.

    Example:
        >>> address_of("15 Star Thistle, Irvine, CA 92604")
        Address(street='15 Star Thistle', city='Irvine', state='CA', zip_code='92604')
        >>> address_of("1 Acorn Place, South Lake WA 6164")
        Address(street='1 Acorn Place', city='South Lake', state='WA', zip_code='6164')
        >>> address_of("Hauptstr. 5, 79098 Freiburg")
        Address(street='Hauptstr. 5', city='Freiburg', state=None, zip_code='79098')
        >>> address_of("85 Turner St")
        Address(street='85 Turner St', city=None, state=None, zip_code=None)
    """
    pieces = [piece for piece in BETWEEN.split(text.strip()) if piece]
    if len(pieces) < STATE_APART - 1:
        return Address(street=" ".join(pieces) or None)
    *before, last = pieces
    if first := ZIP_FIRST.fullmatch(last):
        return Address(", ".join(before), first["rest"], None, first["zip_code"])
    code_last = ZIP_LAST.fullmatch(last)
    code = code_last["zip_code"] if code_last else None
    rest = code_last["rest"] if code_last else last
    if len(pieces) >= STATE_APART:
        *street, city = before
        return Address(", ".join(street), city, rest or None, code)
    town = TOWN_AND_STATE.fullmatch(rest)
    city, state = (town["city"], town["state"]) if town else (rest, None)
    return Address(", ".join(before), city or None, state, code)
