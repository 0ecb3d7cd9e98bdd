"""What is each column of a sheet? Its kind, by all of its texts, and what was seen of its values.

What part it plays in the problem is for `roles`.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from ml_assets.ingestion.times import moment
from ml_assets.scaffold.dates import DateFormat, date_format, reads
from ml_assets.scaffold.readings import Marks, number, number_marks, truths
from ml_assets.scaffold.sheet import Sheet, SheetColumn

Kind = Literal["text", "number", "integer", "boolean", "time"]
"""As a contract has them."""

PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FEW = 30
"""Names that a contract lists."""
MOST_NAMES = 1_000
PROSE_CHARACTERS = 40
PROSE_WORDS = 5
SEEN_OFTEN = 5
"""Rows; what fewer have stays out of everything that is written, since it may tell who they are."""
MOST_WORDS = 60
ALMOST_ALL = 0.99
"""Share of dates that a format must read."""
CODE_NAMES = re.compile(
    r"(^|_)(id|ids|key|uuid|guid|zip|zipcode|zip_code|postcode|postal_code|plz|phone|tel|telephone|"
    r"mobile|fax|iban|ssn|account|account_number|code|number|nr|ref|reference)$"
)
"""Digits in a column called so are a name, not a quantity."""
COUNTED = re.compile(r"^(number|nr|n|count)_(of_)?|_count$")


class Numbers(NamedTuple):
    """What was seen of numbers."""

    low: float
    high: float
    quantiles: tuple[float, ...]
    """At `PROBABILITIES`, rounded to three digits."""
    decimals: int
    is_skewed: bool
    """None is below zero, and the largest are far from the middle."""


class Times(NamedTuple):
    """What was seen of times."""

    format: str | None
    """None for ISO 8601."""
    first: dt.datetime
    last: dt.datetime
    has_clock: bool
    doubt: str | None


class Names(NamedTuple):
    """What was seen of texts."""

    often: tuple[tuple[str, float], ...]
    """Texts that many rows have, and their share of the rows that have one; most frequent first."""
    longest: int
    words: tuple[str, ...]
    """Of prose: words that many rows have."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column of a file seems to be.

    Attributes:
        name: What the contract calls it.
        heading: What the file calls it.
        kind: Type of its values.
        missing: Rows without a value.
        distinct: Different values.
        is_unique: Every row has one, and no two rows the same.
        is_prose: Texts of many words, mostly different.
        seen: Of its values; None where there is none.
        yes: Texts that mean yes, of a column of truths.
        no: Texts that mean no.
    """

    name: str
    heading: str
    kind: Kind
    missing: int
    distinct: int
    is_unique: bool
    is_prose: bool = False
    seen: Numbers | Times | Names | None = None
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()

    @property
    def names(self) -> Names | None:
        """What was seen, where it is text."""
        return self.seen if isinstance(self.seen, Names) else None

    @property
    def is_constant(self) -> bool:
        """Whether it says the same of every row, or nothing of any."""
        return self.distinct <= 1


class Spelling(NamedTuple):
    """How a whole source writes what is no name."""

    missing: tuple[str, ...]
    marks: Marks
    date_formats: tuple[str, ...]


class Looked(NamedTuple):
    """The columns of a sheet, and how its source writes."""

    columns: dict[str, Column]
    spelling: Spelling


def look_at(
    sheet: Sheet,
    *,
    missing: tuple[str, ...],
    target: str,
    time: str | None,
    date_style: str | None = None,
) -> Looked:
    """Find out what each column is.

    Args:
        sheet: The file.
        missing: Texts that mean no value.
        target: Column whose way of writing numbers comes first.
        time: Column that is said to have times.
        date_style: A `strptime` format that decides where two are possible.
    """
    present = {name: _present(column, missing) for name, column in sheet.columns.items()}
    first = [name for name in (target, time) if name]
    order = [*first, *(name for name in sheet.columns if name not in first)]
    dated = {n: _dated(n, present[n], said=n == time, style=date_style) for n in order}
    formats = _formats(dated, present)
    marks = _marks({n: present[n] for n in order if dated[n] is None})
    spelling = Spelling(missing, marks, formats)
    return Looked(
        {
            name: _column(sheet.columns[name], present[name], dated[name], spelling, sheet.rows)
            for name in sheet.columns
        },
        spelling,
    )


def numbers_of(column: SheetColumn, spelling: Spelling) -> np.ndarray:
    """The numbers of every row, NaN where there is none; shape (n,)."""
    values = [
        np.nan if text in spelling.missing else number(text, spelling.marks)
        for text in column.texts
    ]
    return np.array([np.nan if v is None else v for v in values], dtype=float)[column.codes]


def days_of(column: SheetColumn, spelling: Spelling) -> np.ndarray:
    """Days since 1970 of every row, NaN where there is none; shape (n,)."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    found = [
        None if text in spelling.missing else moment(text, spelling.date_formats)
        for text in column.texts
    ]
    days = [np.nan if each is None else (each - epoch) / dt.timedelta(days=1) for each in found]
    return np.array(days, dtype=float)[column.codes]


def _present(column: SheetColumn, missing: Sequence[str]) -> dict[str, int]:
    """Texts that are values, in the order of the file, and how many rows have each."""
    gone = set(missing)
    return {text: rows for text, rows in column.counts.items() if text not in gone}


def _dated(
    name: str, present: Mapping[str, int], *, said: bool, style: str | None
) -> DateFormat | None:
    if CODE_NAMES.search(name) and not said:
        return None
    texts = list(present)
    if style and texts and all(reads(text, style) for text in texts):
        return DateFormat(style, 1.0)
    found = date_format(texts, said=said)
    return found if found and (said or found.read >= ALMOST_ALL) else None


def _formats(
    dated: dict[str, DateFormat | None], present: Mapping[str, Mapping[str, int]]
) -> tuple[str, ...]:
    """Formats of all columns; a column that an earlier one's format reads otherwise is no date."""
    formats: list[str] = []
    for name, found in dated.items():
        if found is None:
            continue
        clash = [
            form
            for form in formats
            if form != found.format and any(reads(text, form) for text in present[name])
        ]
        if clash and found.doubt:
            dated[name] = DateFormat(clash[0], found.read, found.doubt)
        elif clash:
            dated[name] = None
        elif found.format and found.format not in formats:
            formats.append(found.format)
    return tuple(formats)


def _marks(present: Mapping[str, Mapping[str, int]]) -> Marks:
    """How the source writes numbers: as the first column does that does not write them plainly."""
    found = [
        marks
        for name, texts in present.items()
        if texts and not _is_code_name(name) and (marks := number_marks(texts))
    ]
    decimals = [marks for marks in found if (marks.decimal, marks.thousands) != (".", "")]
    first = decimals[0] if decimals else Marks()
    groups = [m.thousands for m in decimals if m.decimal == first.decimal and m.thousands]
    around = {sign for marks in found for sign in marks.around}
    return Marks(first.decimal, groups[0] if groups else "", tuple(sorted(around)))


def _column(
    column: SheetColumn,
    present: Mapping[str, int],
    dated: DateFormat | None,
    spelling: Spelling,
    rows: int,
) -> Column:
    facts = Column(
        name=column.name,
        heading=column.heading,
        kind="text",
        missing=rows - sum(present.values()),
        distinct=len(present),
        is_unique=len(present) == rows,
    )
    if dated is not None:
        return replace(facts, kind="time", seen=_times(present, dated, spelling))
    if found := truths(present):
        yes, no = (tuple(sorted(words)) for words in found)
        return replace(facts, kind="boolean", yes=yes, no=no)
    return _number(facts, present, spelling) or _text(facts, present)


def _number(facts: Column, present: Mapping[str, int], spelling: Spelling) -> Column | None:
    own = number_marks(present)
    if own is None or _is_code_name(facts.name):
        return None
    values = [number(text, own) for text in present]
    if values != [number(text, spelling.marks) for text in present]:
        return None
    seen = _numbers(np.array(values, dtype=float), np.array(list(present.values())))
    is_whole = seen.decimals == 0 and not own.around
    return replace(facts, kind="integer" if is_whole else "number", seen=seen)


def _is_code_name(name: str) -> bool:
    return bool(CODE_NAMES.search(name)) and not COUNTED.search(name)


def _numbers(values: np.ndarray, rows: np.ndarray) -> Numbers:
    every = np.sort(np.repeat(values, rows))
    quantiles = np.quantile(every, PROBABILITIES)
    low, middle, far = float(every[0]), float(quantiles[3]), float(quantiles[-1])
    spread = float(quantiles[4] - quantiles[2]) or 1.0
    return Numbers(
        low=low,
        high=float(every[-1]),
        quantiles=tuple(float(f"{value:.3g}") for value in quantiles),
        decimals=_decimals(values),
        is_skewed=low >= 0 and len(values) > FEW and (far - middle) / spread > SKEWED,
    )


SKEWED = 3.0
"""How many quartile ranges the 99th percentile of skewed numbers is beyond the middle: a normal
distribution has 1.7, an exponential one 3.6."""
MOST_DECIMALS = 6


def _decimals(values: np.ndarray) -> int:
    for digits in range(MOST_DECIMALS):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-9):
            return digits
    return MOST_DECIMALS


def _times(present: Mapping[str, int], dated: DateFormat, spelling: Spelling) -> Times | None:
    moments = [found for text in present if (found := moment(text, spelling.date_formats))]
    if not moments:
        return None
    return Times(
        format=dated.format,
        first=min(moments),
        last=max(moments),
        has_clock=any(each.hour or each.minute or each.second for each in moments),
        doubt=dated.doubt,
    )


def _text(facts: Column, present: Mapping[str, int]) -> Column:
    if not present:
        return facts
    there = sum(present.values())
    often = [(text, n) for text, n in Counter(present).most_common(FEW) if n >= SEEN_OFTEN]
    is_prose = _is_prose(present, there)
    seen = Names(
        often=() if is_prose else tuple((text, n / there) for text, n in often),
        longest=max(map(len, present)),
        words=_words(present, there) if is_prose else (),
    )
    return replace(facts, seen=seen, is_prose=is_prose)


def _is_prose(present: Mapping[str, int], there: int) -> bool:
    characters = sum(len(text) * n for text, n in present.items()) / there
    blanks = sum(text.count(" ") * n for text, n in present.items()) / there
    is_long = characters >= PROSE_CHARACTERS and blanks >= PROSE_WORDS - 1
    return is_long and len(present) > there / 10


def _words(present: Mapping[str, int], rows: int) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for text in list(present)[:5_000]:
        counts.update(set(re.findall(r"[^\W\d_]{2,20}", text.lower())))
    needed = max(SEEN_OFTEN, rows // 1_000)
    return tuple(word for word, n in counts.most_common(MOST_WORDS) if n >= needed)
