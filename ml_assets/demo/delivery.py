"""Monthly files as a sender delivers them, the same bytes every time."""

import calendar
import csv
import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ml_assets.demo import faults
from ml_assets.problems.complaints.source import sample
from ml_assets.progress import track
from ml_assets.storage import Home

FOLDER = "demo_source"
FIRST, LAST, NEXT = "2014-01", "2015-12", "2016-01"
FEWEST_ROWS, MOST_ROWS = 250, 400
FIRST_ID, IDS_A_MONTH = 1_000_000, 1_000


def delivery_folder(home: Home) -> Path:
    """Where the demo's files are."""
    return home.path / FOLDER


def deliver_first(folder: Path) -> None:
    """Write the 24 months, faults included."""
    folder.mkdir(parents=True, exist_ok=True)
    for month in track(list(months(FIRST, LAST)), "draw 24 months of complaints"):
        text = as_csv(_faulty(month))
        is_cut = month == faults.CUT.month
        _deliver(folder, month, faults.cut_inside_a_quote(text) if is_cut else text)


def deliver_later(folder: Path) -> None:
    """Write a new month, corrections of an old one, and the broken file again, whole."""
    old, broken = faults.REVISED.month, faults.REPAIRED.month
    _deliver(folder, NEXT, as_csv(drawn(NEXT)))
    _deliver(folder, f"{old}_corrected", as_csv(faults.revised(drawn(old))))
    _deliver(folder, broken, as_csv(drawn(broken)))


def drawn(month: str) -> pd.DataFrame:
    """The complaints of a month before anything is done to them."""
    rng, first = _chance(month), _first_day(month)
    return sample(
        int(rng.integers(FEWEST_ROWS, MOST_ROWS)),
        rng,
        dispute_rate=faults.SHIFTED_RATE
        if month == faults.SHIFTED.month
        else faults.USUAL_RATE,
        start=first,
        end=first.replace(day=calendar.monthrange(first.year, first.month)[1]),
        first_id=FIRST_ID + IDS_A_MONTH * _number(month),
    )


def months(first: str, last: str) -> Iterator[str]:
    """Keys of the months from `first` to `last`."""
    for number in range(_number(first), _number(last) + 1):
        yield f"{number // 12:04}-{number % 12 + 1:02}"


def as_csv(rows: pd.DataFrame) -> str:
    """The rows as an export writes them."""
    return rows.to_csv(index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")


def _faulty(month: str) -> pd.DataFrame:
    rows, rng = drawn(month), _chance(f"{month}, faults")
    planted: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        faults.UNKNOWN.month: partial(faults.with_unknown_products, rng=rng),
        faults.COPIED.month: faults.with_copies,
        faults.RETYPED.month: partial(faults.with_days_for_yes_and_no, rng=rng),
    }
    return planted[month](rows) if month in planted else rows


def _deliver(folder: Path, name: str, text: str) -> None:
    """Write a file, unless it is there as it should be."""
    path = folder / f"complaints_{name}.csv"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _chance(seed: str) -> np.random.Generator:
    return np.random.default_rng(list(seed.encode()))


def _first_day(month: str) -> dt.date:
    return dt.date.fromisoformat(f"{month}-01")


def _number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * 12 + int(number) - 1
