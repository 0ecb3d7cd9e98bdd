"""What is predicted: a number, or which of two values; refused where it is neither.

Which metric suits it is for `metric`.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_assets.errors import InsufficientData, ProblemError
from ml_assets.scaffold.columns import Column, Looked, Numbers, numbers_of
from ml_assets.scaffold.readings import truths
from ml_assets.scaffold.roles import Labels
from ml_assets.scaffold.sheet import Sheet

FEWEST_LABELS = 100
FEWEST_OF_A_CLASS = 20
MOST_CLASSES = 100
MOST_SHOWN = 6
TWO = 2


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person says about a file.

    Attributes:
        name: Of the problem.
        file: The CSV.
        target: Column to predict, as the file or the contract spells it.
        time: Column with event times; guessed where it is None.
        positive: Value of the target that is a yes; guessed where it is None.
        date_style: How dates are written, where it cannot be decided.
    """

    name: str
    file: Path
    target: str
    time: str | None = None
    positive: str | None = None
    date_style: str | None = None


def labels_of(sheet: Sheet, looked: Looked, asked: Asked, target: str) -> tuple[Labels, Looked]:
    """The labels; where two texts are yes and no, which of them is yes.

    Raises:
        ProblemError: If the target cannot be predicted.
        InsufficientData: If there are too few labels, or too few of a class.
    """
    column = looked.columns[target]
    texts = {
        t: n
        for t, n in sheet.columns[target].counts.items()
        if t not in looked.spelling.missing
    }
    _require_labels(sheet, column, sum(texts.values()))
    is_value = isinstance(column.seen, Numbers) and column.distinct > TWO
    if asked.positive is None and is_value:
        return _values(sheet, looked, target), looked
    yes = _yes_texts(column, texts, asked, sheet.file)
    no = tuple(sorted(set(texts) - set(yes)))
    truth = Column(
        name=target,
        heading=column.heading,
        kind="boolean",
        missing=column.missing,
        distinct=column.distinct,
        is_unique=False,
        yes=yes,
        no=no,
    )
    looked = Looked({**looked.columns, target: truth}, looked.spelling)
    _require_consistent(looked, truth)
    of_text = np.array(
        [
            np.nan if t in looked.spelling.missing else float(t in yes)
            for t in sheet.columns[target].texts
        ]
    )
    values = of_text[sheet.columns[target].codes]
    _require_classes(values, column.heading)
    return Labels(column=target, values=values, is_binary=True), looked


def _values(sheet: Sheet, looked: Looked, target: str) -> Labels:
    values = numbers_of(sheet.columns[target], looked.spelling)
    return Labels(column=target, values=values, is_binary=False)


def _yes_texts(
    column: Column, texts: dict[str, int], asked: Asked, file: str
) -> tuple[str, ...]:
    """Texts of a target that are a yes: those that are said, known words, or the rarer of two."""
    if asked.positive is not None:
        if asked.positive not in texts:
            raise ProblemError(
                f"--positive {asked.positive!r} is no value of {column.heading!r}; it has: "
                f"{_shown(texts)}."
            )
        return (asked.positive,)
    if found := truths(texts):
        return tuple(sorted(found[0]))
    if len(texts) == TWO:
        return (min(texts, key=lambda text: (texts[text], text)),)
    raise ProblemError(_no_target(column, texts, file))


def _no_target(column: Column, texts: dict[str, int], file: str) -> str:
    if column.kind == "time":
        what = "has dates"
        todo = "Make a column of what is asked, such as the days until then, or whether it came"
    elif column.is_prose or len(texts) > MOST_CLASSES:
        what = f"has {len(texts):,} different texts"
        todo = "Make a column with a number, or with yes and no"
    else:
        what = f"has {len(texts)} classes ({_shown(texts)})"
        todo = "Ask for one of them against the others: --positive VALUE"
    return (
        f"{column.heading!r} of {file} {what}; what can be predicted is a number, or which of two "
        f"values. {todo}."
    )


def _shown(texts: dict[str, int]) -> str:
    some = [
        f"{text[:30]!r} ({rows:,})" for text, rows in Counter(texts).most_common(MOST_SHOWN)
    ]
    return ", ".join(some) + (", …" if len(texts) > MOST_SHOWN else "")


def _require_labels(sheet: Sheet, column: Column, labelled: int) -> None:
    if labelled < FEWEST_LABELS:
        raise InsufficientData(
            f"A target ({column.heading!r} of {sheet.file})",
            rows=labelled,
            needed=FEWEST_LABELS,
            unit="rows with a value",
        )
    if column.distinct == 1:
        raise ProblemError(
            f"{column.heading!r} of {sheet.file} says the same in every row, so there is nothing to "
            "predict. Choose another --target."
        )


def _require_classes(values: np.ndarray, heading: str) -> None:
    for label in (0.0, 1.0):
        rows = int(np.sum(values == label))
        if rows < FEWEST_OF_A_CLASS:
            raise InsufficientData(
                f"The class {'yes' if label else 'no'} of {heading!r}",
                rows=rows,
                needed=FEWEST_OF_A_CLASS,
            )


def _require_consistent(looked: Looked, truth: Column) -> None:
    """A source reads a text as yes or as no in all columns alike."""
    for other in looked.columns.values():
        if other.name == truth.name:
            continue
        if both := (set(truth.yes) & set(other.no)) | (set(truth.no) & set(other.yes)):
            raise ProblemError(
                f"{min(both)!r} would be a yes in {truth.heading!r} and a no in {other.heading!r}, "
                "or the other way round. Write one of the columns in other words."
            )
