"""What do the texts of a column say? Numbers, truths, times, names or prose: by every one of them.

A guess holds for the whole source where the platform reads it so: which texts mean no value, yes or
no, and how numbers and dates are written. What becomes of a column that needs another answer than the
others is for `columns`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from ml_assets.problem.config import Source
from ml_assets.validation.casting import LONGEST_MISSING, NUMBER
from ml_assets.validation.numerals import plain_number

MISSING = ("", "N/A", "n/a", "NA", "#N/A", "NaN", "nan", "None", "NONE", "null", "NULL", "<NA>")
"""Mean no value wherever they stand."""
USUAL = ("", "N/A", "NaN", "None", "null")
"""Are said to mean none also where a file has none of them: the next one may."""
DOUBTFUL = (
    "?",
    "-",
    "--",
    ".",
    "unknown",
    "Unknown",
    "UNKNOWN",
    "missing",
    "Missing",
    "none",
    "*",
)
"""Mean no value where all other texts of a column are numbers, dates or truths."""

TRUTHS = (
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("1", "0"),
    ("1.0", "0.0"),
    ("on", "off"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
)
PLAIN = re.compile(NUMBER, re.ASCII)
CODE = re.compile(r"0\d+", re.ASCII)
"""A number with a leading zero is a name: 01234 is not 1234."""
LONGEST_NUMBER = 16
"""Digits; a float does not tell longer ones apart."""
MOST_SIGNS = 3
APART = re.compile(
    r"[-+]?(?P<before>[^\w.,+\-/:#]{0,3}|[A-Z]{3}(?=[\s\d]))\s*"
    r"(?P<number>[-+]?(?:\d[\d.,' \u00a0\u202f]*)?\d(?:[eE][-+]?\d+)?)"
    r"\s*(?P<after>[^\W\d_][^\W_]{0,7}(?:[ .][^\W\d_]{1,8})?\.?|[%€$£¥°]|)",
)
"""A number, the sign before it and the unit behind."""


class Marks(NamedTuple):
    """How numbers are written."""

    decimal: str = "."
    thousands: str = ""
    around: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The same, as `config.yaml` says it."""
        return Source.model_validate(
            {
                "origin": "",
                "terms": "",
                "decimal": self.decimal,
                "thousands": self.thousands,
                "around_numbers": list(self.around),
            }
        )


STYLES = (
    Marks(".", ""),
    Marks(".", ","),
    Marks(",", ""),
    Marks(",", "."),
    Marks(".", " "),
    Marks(",", " "),
    Marks(".", "'"),
)
"""In the order in which they are believed: "1,234" is a thousand, "0.125" is an eighth."""


def missing_texts(columns: Mapping[str, Collection[str]], *, target: str) -> tuple[str, ...]:
    """Texts of a file that mean no value.

    Args:
        columns: Column to its distinct texts.
        target: A column of two values has no text that is none.
    """
    sure = [text for text in MISSING if not text or any(text in t for t in columns.values())]
    doubtful = set()
    for texts in columns.values():
        odd = set(DOUBTFUL) & set(texts)
        rest = [text for text in texts if text not in {*MISSING, *DOUBTFUL}]
        if odd and ("?" in odd or (rest and number_marks(rest) is not None)):
            doubtful |= odd if rest and number_marks(rest) is not None else {"?"}
    values = [text for text in columns[target] if text not in MISSING]
    kept = set(values) if len(values) <= len(("yes", "no")) else set()
    return tuple(
        text
        for text in dict.fromkeys((*USUAL, *sure, *(d for d in DOUBTFUL if d in doubtful)))
        if text not in kept and len(text.encode()) <= LONGEST_MISSING
    )


def truths(texts: Collection[str]) -> tuple[set[str], set[str]] | None:
    """Texts that mean yes, and those that mean no; None where they are no truths.

    Example:
        >>> truths(["Yes", "no"]), truths(["maybe", "no"])
        (({'Yes'}, {'no'}), None)
    """
    words = {text.lower() for text in texts}
    for yes, no in TRUTHS:
        if words and words <= {yes, no} and len(words) > 1:
            positive = {text for text in texts if text.lower() == yes}
            return positive, set(texts) - positive
    if words <= {"1", "0", "1.0", "0.0"} and len({text[0] for text in texts}) > 1:
        positive = {text for text in texts if text[0] == "1"}
        return positive, set(texts) - positive
    return None


def number_marks(texts: Iterable[str]) -> Marks | None:
    """How the texts write numbers; None where they are none.

    Example:
        >>> number_marks(["1,200 sqft", "950 sqft"])
        Marks(decimal='.', thousands=',', around=('sqft',))
        >>> number_marks(["1.234,50", "7"]).decimal, number_marks(["007", "12"])
        (',', None)
    """
    texts = list(texts)
    if not texts or any(_is_code(text) for text in texts):
        return None
    odd = [text for text in texts if not PLAIN.fullmatch(text)]
    if not odd:
        return STYLES[0]
    around = _around(odd)
    if around is None:
        return None
    for style in STYLES:
        marks = style._replace(around=around)
        if all(number(text, marks) is not None for text in texts):
            return marks
    return None


def number(text: str, marks: Marks) -> float | None:
    """The number that a text says, read as the platform reads it; None where it is none."""
    rewrite = _rewriter(marks)
    plain = rewrite(text) if rewrite else text
    return float(plain) if PLAIN.fullmatch(plain) else None


@cache
def _rewriter(marks: Marks) -> Callable[[str], str] | None:
    return plain_number(marks.source)


def _is_code(text: str) -> bool:
    digits = text.strip("+-")
    return bool(CODE.fullmatch(digits)) or (digits.isdigit() and len(digits) > LONGEST_NUMBER)


def _around(texts: list[str]) -> tuple[str, ...] | None:
    """Signs and units at numbers; None where there are several units, or no numbers."""
    before, after = set(), set()
    for text in texts:
        found = APART.fullmatch(text)
        if found is None:
            return None
        before.add(found["before"].strip())
        after.add(found["after"].strip())
    units = {unit.lower() for unit in after - {""}}
    signs = before - {""}
    if len(units) > 1 or len(signs) > 1:
        return None
    return tuple(sorted(signs | (after - {""})))
