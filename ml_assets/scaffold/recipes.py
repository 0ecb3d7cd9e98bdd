"""Which features are made of a column, by which helper, and how each becomes numbers."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from ml_assets.scaffold.columns import Numbers, Times
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.roles import Placed

RAREST = 40
"""Rows, at most, that a category must have to be one of its own."""
TWO_YEARS = dt.timedelta(days=730)


class Feature(NamedTuple):
    """One feature."""

    name: str
    helper: str
    """Name of the function that makes it, see `FUNCTIONS`."""
    columns: tuple[str, ...]
    says: str
    encoder: str
    """As YAML."""


def features_of(draft: Draft) -> tuple[Feature, ...]:
    """Every feature of a drafted problem."""
    made = [feature for placed in draft.columns for feature in _of(placed, draft)]
    return tuple(made)


def _of(placed: Placed, draft: Draft) -> Iterator[Feature]:
    if placed.role == "time" and placed.column is not None:
        yield from _of_event_time(placed)
    if placed.role != "input" or placed.column is None:
        return
    match placed.kind:
        case "number" | "integer":
            yield _number(placed)
        case "boolean":
            yield Feature(
                placed.name,
                "_yes_or_no",
                (placed.name,),
                "yes, no or unknown",
                "{kind: one_hot}",
            )
        case "time":
            yield _of_time(placed, draft)
        case "text" if placed.column.is_prose:
            yield from _of_prose(placed)
        case "text":
            rare = max(2, min(RAREST, draft.rows // 200))
            options = f"{{handle_unknown: infrequent_if_exist, min_frequency: {rare}}}"
            encoder = f"{{kind: one_hot, options: {options}}}"
            yield Feature(placed.name, "_category", (placed.name,), "never null", encoder)


def _number(placed: Placed) -> Feature:
    is_skewed = (
        placed.column is not None
        and isinstance(placed.column.seen, Numbers)
        and placed.column.seen.is_skewed
    )
    helper, says = ("_log", "log of value + 1") if is_skewed else ("_number", "as it is")
    return Feature(placed.name, helper, (placed.name,), says, "{kind: scale}")


def _of_time(placed: Placed, draft: Draft) -> Feature:
    time = draft.event_time
    if time.column is None:
        name = f"{placed.name}_year"
        return Feature(name, "_year", (placed.name,), "years, with parts", "{kind: scale}")
    columns = (placed.name, time.name)
    return Feature(
        f"days_to_{placed.name}", "_days", columns, f"days after {time.name}", "{kind: scale}"
    )


def _of_event_time(placed: Placed) -> Iterator[Feature]:
    seen = placed.column.seen if placed.column else None
    if not isinstance(seen, Times):
        return
    of = (placed.name,)
    yield Feature(f"{placed.name}_weekday", "_weekday", of, "0 is Monday", "{kind: one_hot}")
    if seen.last - seen.first >= TWO_YEARS:
        yield Feature(f"{placed.name}_month", "_month", of, "1 to 12", "{kind: one_hot}")
    if seen.has_clock:
        yield Feature(f"{placed.name}_hour", "_hour", of, "0 to 23, UTC", "{kind: scale}")


def _of_prose(placed: Placed) -> Iterator[Feature]:
    options = "{min_df: 5, max_features: 20000, sublinear_tf: true}"
    yield Feature(
        f"{placed.name}_length",
        "_length",
        (placed.name,),
        "log of characters + 1",
        "{kind: scale}",
    )
    yield Feature(
        placed.name,
        "_text",
        (placed.name,),
        '"" where there is none',
        f"{{kind: tfidf, options: {options}}}",
    )


FUNCTIONS = {
    "_number": '''\
def _number(column: pd.Series) -> pd.Series:
    """A number, or a gap."""
    return column.astype("float64")
''',
    "_log": '''\
def _log(column: pd.Series) -> pd.Series:
    """A number on a logarithmic scale, since a few are much larger than the others."""
    return np.log1p(column.astype("float64").clip(lower=0.0))
''',
    "_yes_or_no": '''\
def _yes_or_no(column: pd.Series) -> pd.Series:
    """A nullable truth in words."""
    words = column.astype("boolean").map({True: "yes", False: "no"})
    return words.astype("str").fillna(UNKNOWN)
''',
    "_category": '''\
def _category(column: pd.Series) -> pd.Series:
    """A trimmed name; what is missing has a name too."""
    return column.astype("str").str.strip().fillna(UNKNOWN).replace("", UNKNOWN)
''',
    "_text": '''\
def _text(column: pd.Series) -> pd.Series:
    """Prose."""
    return column.fillna("").astype("str")
''',
    "_length": '''\
def _length(column: pd.Series) -> pd.Series:
    """How much was written, on a logarithmic scale."""
    return np.log1p(column.fillna("").astype("str").str.len().astype("float64"))
''',
    "_days": '''\
def _days(column: pd.Series, since: pd.Series) -> pd.Series:
    """Days from one time to another, or a gap."""
    return (column - since).dt.total_seconds().astype("float64") / 86_400
''',
    "_year": '''\
def _year(column: pd.Series) -> pd.Series:
    """A time in years, such as 2015.5, or a gap."""
    year, day = column.dt.year.astype("float64"), column.dt.day_of_year.astype("float64")
    return year + (day - 1) / 366
''',
    "_weekday": '''\
def _weekday(column: pd.Series) -> pd.Series:
    """Day of the week as a name, since Sunday is not more than Monday."""
    return column.dt.day_of_week.astype("str")
''',
    "_month": '''\
def _month(column: pd.Series) -> pd.Series:
    """Month of the year as a name."""
    return column.dt.month.astype("str")
''',
    "_hour": '''\
def _hour(column: pd.Series) -> pd.Series:
    """Hour of the day in UTC."""
    return column.dt.hour.astype("float64")
''',
}
"""Source of the helpers, each a pure function of a row's own values."""
