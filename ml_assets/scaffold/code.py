"""The Python files of a drafted problem, as text: what people go on to edit.

What is in them is decided in `draft` and `recipes`; here it is only written down.
"""

import json
from collections.abc import Iterable, Iterator
from textwrap import dedent
from typing import NamedTuple

from ml_assets.scaffold.columns import FEW, PROBABILITIES, Column, Names, Numbers, Times
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.recipes import FUNCTIONS, Feature
from ml_assets.scaffold.roles import Placed

TYPES = {
    "text": "str",
    "number": "float",
    "integer": "pd.Int64Dtype",
    "boolean": "pd.BooleanDtype",
    "time": "UTC_TIME",
}
WIDEST = 96
"""Characters of a line."""
LATITUDE, LONGITUDE = ("lat", "latitude", "lattitude"), ("lon", "lng", "long", "longitude")


def init_text(draft: Draft) -> str:
    """`__init__.py`: the problem and its five parts."""
    name = draft.asked.name
    return dedent(f'''\
        """{draft.target.name} of {draft.asked.file.name}: see README.md."""

        from pathlib import Path

        from {name}.contract import {class_name(name)}
        from {name}.features import features
        from {name}.source import sample
        from ml_assets.problem import Config, Problem

        FOLDER = Path(__file__).parent

        {name} = Problem(
            name="{name}",
            folder=FOLDER,
            contract={class_name(name)},
            features=features,
            sample=sample,
            config=Config.from_file(FOLDER / "config.yaml"),
        )
        ''')


def class_name(name: str) -> str:
    """What the contract of a problem is called.

    Example:
        >>> class_name("home_prices")
        'HomePricesRow'
    """
    return "".join(word.capitalize() for word in name.split("_")) + "Row"


def contract_text(draft: Draft) -> str:
    """`contract.py`: what a valid row is."""
    head = f'''\
"""What a valid row is, guessed from {draft.rows:,} rows of {draft.asked.file.name}: correct what is wrong.

A rule that a row breaks puts it into quarantine, with the rule as the reason. Ranges have some
slack: what lies beyond was not seen, and is probably a mistake. `known_at` says when a value is
known; what is known only after the moment of prediction reaches no feature.
"""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class {class_name(draft.asked.name)}(pa.DataFrameModel):
    """One row of the source."""

'''
    return head + "\n".join(_field(placed) for placed in draft.columns)


def _field(placed: Placed) -> str:
    lines = [
        *_rules(placed),
        *_metadata(placed),
        f"description={_quoted(_sentence(placed.why))},",
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return f"    {placed.name}: Series[{TYPES[placed.kind]}] = pa.Field(\n{body}    )\n"


def _metadata(placed: Placed) -> list[str]:
    """The lines that say a column's part in the problem."""
    parts = [f'"role": "{placed.role}"', f'"known_at": "{placed.known_at}"']
    column = placed.column
    if column is None or placed.kind != "text" or placed.role == "id":
        return ["metadata={" + ", ".join(parts) + "},"]
    names = column.names
    if (
        column.is_prose
        or names is None
        or not 1 < column.distinct <= min(FEW, len(names.often))
    ):
        parts.append(f'"categories": "{"free" if column.is_prose else "open"}"')
        return ["metadata={" + ", ".join(parts) + "},"]
    listed = [f"        {_quoted(text)}," for text, _ in sorted(names.often)]
    return [
        "metadata={",
        *(f"    {part}," for part in parts),
        '    "categories": (',
        *listed,
        "    ),",
        "},",
    ]


def _rules(placed: Placed) -> Iterator[str]:
    column = placed.column
    if placed.role == "id":
        yield "unique=True,"
        yield 'str_length={"min_value": 1, "max_value": 200},'
        return
    if placed.role == "target" or (column is not None and column.missing):
        yield "nullable=True,"
    seen = column.seen if column else None
    match seen:
        case Numbers() if placed.kind in ("number", "integer"):
            yield from _range(placed.name, seen, is_whole=placed.kind == "integer")
        case Times():
            yield f'ge=pd.Timestamp("{seen.first.year - 1}-01-01", tz="UTC"),'
            yield 'lt=pd.Timestamp("2100-01-01", tz="UTC"),'
        case Names() if column is not None and column.is_prose:
            yield 'str_length={"max_value": 100_000},'
        case Names():
            yield f'str_length={{"min_value": 1, "max_value": {max(50, 2 * seen.longest)}}},'


def _range(name: str, seen: Numbers, *, is_whole: bool) -> Iterator[str]:
    """A range with slack: as much again on either side, but not across zero."""
    if name in LATITUDE and seen.high <= 90:  # noqa: PLR2004 - degrees
        low, high = -90.0, 90.0
    elif name in LONGITUDE and seen.high <= 180:  # noqa: PLR2004 - degrees
        low, high = -180.0, 180.0
    else:
        span = (seen.high - seen.low) or abs(seen.high) or 1.0
        low = seen.low - span if seen.low < 0 else 0.0
        high = 0.0 if seen.low < 0 and seen.high <= 0 else seen.high + span
    yield f"ge={_rounded(low, is_whole=is_whole, up=False)},"
    yield f"le={_rounded(high, is_whole=is_whole, up=True)},"


def _rounded(value: float, *, is_whole: bool, up: bool) -> str:
    """A number of two digits, away from what was seen."""
    if value == 0:
        return "0"
    rough = float(f"{value:.1e}")
    step = 10.0 ** (len(f"{abs(value):.0f}") - 2) if abs(value) >= 1 else abs(value) / 10
    if up and rough < value:
        rough += step
    if not up and rough > value:
        rough -= step
    return f"{rough:_.0f}" if is_whole or float(rough).is_integer() else f"{rough:.6g}"


def features_text(draft: Draft, features: tuple[Feature, ...]) -> str:
    """`features.py`: rows to what a model reads."""
    used = [name for name in FUNCTIONS if any(each.helper == name for each in features)]
    body = "\n\n".join(FUNCTIONS[name] for name in used)
    listed = "\n".join(f"            {each.name}: {each.says}." for each in features)
    columns = "\n".join(line for each in features for line in _made(each))
    uses = {
        "import numpy as np\n": "np." in body,
        'UNKNOWN = "unknown"\n"""What a missing category is called."""\n\n\n': "UNKNOWN"
        in body,
    }
    numpy, unknown = (text if used else "" for text, used in uses.items())
    left_out = "\n".join(
        f"- {each.name}: {each.why}." for each in draft.columns if each.is_flagged
    )
    why = f"\n\nLeft out on purpose:\n{left_out}\n" if left_out else ""
    return f'''\
"""What the model reads of a row: pure functions, each of one row's own values.{why}"""

{numpy}import pandas as pd

{unknown or chr(10)}def features(rows: pd.DataFrame) -> pd.DataFrame:
    """Describe each row by what is known about it and nothing else.

    Args:
        rows: Rows that hold the contract; n rows.

    Returns:
        n rows, same index, columns:
{listed}
    """
    return pd.DataFrame(
        {{
{columns}
        }},
        index=rows.index,
    )


{body}'''


def _made(feature: Feature) -> list[str]:
    """The item that makes a feature, on one line where it fits."""
    start = f"            {_quoted(feature.name)}: {feature.helper}("
    inner = ", ".join(f"rows[{_quoted(name)}]" for name in feature.columns)
    if len(start) + len(inner) + len("),") <= WIDEST:
        return [f"{start}{inner}),"]
    return [start, f"                {inner}", "            ),"]


def source_text(draft: Draft) -> str:
    """`source.py`: plausible rows, drawn from ranges and frequencies."""
    drawn = [(placed, _drawn(placed, draft)) for placed in draft.columns]
    lines = "\n".join(line for placed, call in drawn for line in call.lines(placed.name))
    used = [name for name in DRAWERS if any(call.function == name for _, call in drawn)]
    body = "\n\n".join(DRAWERS[name] for name in used)
    if any(name != "_ids" for name in used):
        body += "\n\n" + GAPS
    return f'''\
"""Plausible rows, for tests and demos: drawn column by column from what was seen.

Only ranges and frequencies of {draft.asked.file.name} are here, rounded, and nothing that fewer than five rows
have; no row of it is copied. Columns are drawn alone, so there is no signal to learn.
"""

import numpy as np
import pandas as pd

PROBABILITIES = {PROBABILITIES}
"""Of the quantiles that numbers are drawn between."""


def sample(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw n rows as a source would deliver them: all text, None where there is no value."""
    return pd.DataFrame(
        {{
{lines}
        }},
        dtype="str",
    )


{body}'''


class Items(NamedTuple):
    """A tuple or a mapping in Python."""

    opening: str
    items: tuple[str, ...]
    closing: str

    def __str__(self) -> str:
        """On one line."""
        alone = "," if self.opening == "(" and len(self.items) == 1 else ""
        return f"{self.opening}{', '.join(self.items)}{alone}{self.closing}"

    def lines(self) -> list[str]:
        """An item a line."""
        return [self.opening, *(f"    {item}," for item in self.items), f"{self.closing},"]


class Call(NamedTuple):
    """The call that draws a column, for n rows by `rng`."""

    function: str
    arguments: tuple[str | Items, ...] = ()

    def lines(self, column: str) -> list[str]:
        """As an item of a mapping by column, on as few lines as it fits."""
        name = f"            {_quoted(column)}: {self.function}("
        rng = [] if self.function == "_ids" else ["rng"]
        given = ["n", *rng, *self.arguments]
        inner = ", ".join(map(str, given))
        if len(name) + len(inner) + len("),") <= WIDEST:
            return [f"{name}{inner}),"]
        if len(inner) + 16 <= WIDEST:
            return [name, f"                {inner}", "            ),"]
        each = [
            line
            for one in given
            for line in (
                one.lines()
                if isinstance(one, Items) and len(str(one)) > WIDEST - 18
                else [f"{one},"]
            )
        ]
        return [name, *(f"                {line}" for line in each), "            ),"]


def _drawn(placed: Placed, draft: Draft) -> Call:
    """The call that draws a column."""
    column = placed.column
    if placed.role == "id":
        return Call("_ids")
    if column is None:
        day = _quoted(draft.cutting.start.isoformat())
        return Call("_days", (day, day, '"%Y-%m-%d"', "missing=0.0"))
    gaps = f"missing={round(column.missing / draft.rows, 3)}"
    if placed.kind == "boolean":
        share = draft.mean_label if placed.role == "target" else 0.5
        return _names(((column.yes[0], share), (column.no[0], 1 - share)), gaps)
    return _drawn_as_seen(column, draft, gaps)


def _drawn_as_seen(column: Column, draft: Draft, gaps: str) -> Call:
    match column.seen:
        case Numbers() as seen:
            quantiles = Items("(", tuple(map(_plain, seen.quantiles)), ")")
            decimal = draft.spelling.marks.decimal
            mark = () if decimal == "." else (f"decimal={_quoted(decimal)}",)
            return Call("_numbers", (quantiles, f"decimals={seen.decimals}", gaps, *mark))
        case Times() as seen:
            form = seen.format or ("%Y-%m-%dT%H:%M:%SZ" if seen.has_clock else "%Y-%m-%d")
            days = (seen.first.date().isoformat(), seen.last.date().isoformat(), form)
            return Call("_days", (*map(_quoted, days), gaps))
        case Names() as seen if column.is_prose:
            words = Items("(", tuple(map(_quoted, seen.words or ("words",))), ")")
            return Call("_prose", (words, gaps))
        case Names() as seen:
            return _names(seen.often or (("one", 0.5), ("another", 0.5)), gaps)
    return Call("_names", ("{}", "missing=1.0"))


def _plain(value: float) -> str:
    """A number as short as it can be written."""
    return repr(int(value)) if value.is_integer() else repr(value)


def _names(shares: Iterable[tuple[str, float]], gaps: str) -> Call:
    items = tuple(f"{_quoted(text)}: {share:.3f}" for text, share in shares)
    return Call("_names", (Items("{", items, "}"), gaps))


DRAWERS = {
    "_ids": """\
def _ids(n: int) -> list[str]:
    return [f"drawn-{number:06d}" for number in range(n)]
""",
    "_numbers": """\
def _numbers(
    n: int,
    rng: np.random.Generator,
    quantiles: tuple[float, ...],
    *,
    decimals: int,
    missing: float,
    decimal: str = ".",
) -> list[str | None]:
    values = np.interp(rng.uniform(0.01, 0.99, n), PROBABILITIES, quantiles)
    texts = [f"{value:.{decimals}f}".replace(".", decimal) for value in values]
    return _with_gaps(texts, rng, missing)
""",
    "_days": """\
def _days(
    n: int, rng: np.random.Generator, first: str, last: str, form: str, *, missing: float
) -> list[str | None]:
    days = pd.date_range(first, last)
    texts = [days[place].strftime(form) for place in rng.integers(len(days), size=n)]
    return _with_gaps(texts, rng, missing)
""",
    "_prose": """\
def _prose(
    n: int, rng: np.random.Generator, words: tuple[str, ...], *, missing: float
) -> list[str | None]:
    texts = [" ".join(rng.choice(words, rng.integers(8, 30))) for _ in range(n)]
    return _with_gaps(texts, rng, missing)
""",
    "_names": """\
def _names(
    n: int, rng: np.random.Generator, shares: dict[str, float], *, missing: float
) -> list[str | None]:
    if not shares:
        return [None] * n
    total = sum(shares.values())
    drawn = rng.choice(list(shares), n, p=[share / total for share in shares.values()])
    return _with_gaps([str(text) for text in drawn], rng, missing)
""",
}
GAPS = """\
def _with_gaps(texts: list[str], rng: np.random.Generator, missing: float) -> list[str | None]:
    gone = rng.random(len(texts)) < missing
    return [None if is_gone else text for text, is_gone in zip(texts, gone, strict=True)]
"""


def tests_text() -> str:
    """`tests/test_<name>.py`: what holds of the problem now, and should later."""
    return dedent('''\
        """What holds of this problem, whatever its values: run pytest on this folder."""

        from pathlib import Path

        import numpy as np
        import pandas as pd
        import pyarrow as pa
        import pytest

        from ml_assets.features import build_features, contract_frame
        from ml_assets.problem import problem_in
        from ml_assets.validation import hold_to_contract

        ROWS = 200


        @pytest.fixture(scope="module")
        def problem():
            return problem_in(Path(__file__).parents[1])


        @pytest.fixture(scope="module")
        def verdict(problem):
            sample = problem.sample(ROWS, np.random.default_rng(0))
            texts = {name: pa.array(sample[name], pa.string(), from_pandas=True) for name in sample}
            return hold_to_contract(problem, pa.table(texts))


        @pytest.fixture(scope="module")
        def rows(problem, verdict):
            return contract_frame(problem, verdict.valid)


        def test_sampled_rows_hold_the_contract(verdict):
            assert verdict.broken == {}
            assert len(verdict.valid) == ROWS


        def test_features_of_a_row_do_not_depend_on_its_neighbors(problem, rows):
            features = build_features(problem, rows)

            for place in (0, 7, ROWS - 1):
                alone = build_features(problem, rows.iloc[[place]])
                pd.testing.assert_frame_equal(alone, features.iloc[[place]])


        def test_every_feature_has_its_encoder_and_no_other(problem, rows):
            assert set(problem.config.training.encoders) == set(build_features(problem, rows))


        def test_no_feature_is_protected_or_stands_for_what_is(problem, rows):
            forbidden = {*problem.config.protected, *problem.config.proxies}

            assert forbidden <= set(problem.fields)
            assert not forbidden & set(build_features(problem, rows))
        ''')


def _sentence(why: str) -> str:
    return f"{why[0].upper()}{why[1:]}."


def _quoted(text: str) -> str:
    """A text as Python and YAML both read it."""
    return json.dumps(text, ensure_ascii=False)
