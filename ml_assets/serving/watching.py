"""Silent errors made loud: rows that are answered, or refused, for a reason that nobody would see.

A model answers a row without its columns, or with categories that it never learned, as if nothing
were wrong. Each such value is counted by column, like those that break the contract; and where the
last rows have more of them than the problem allows, an alert stands until they have not.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from ml_assets.errors import InvalidRows
from ml_assets.inference import Answers, Predictor
from ml_assets.inference.inputs import NOT_TEXT
from ml_assets.inference.vocabulary import known_categories
from ml_assets.problem import Problem
from ml_assets.serving.telemetry import Counter as Counted
from ml_assets.validation.casting import WORDS
from ml_assets.validation.verdict import MISSING

WINDOW_ROWS = 200
"""An alert is judged on so many rows; of fewer, a share says little."""

LOG = logging.getLogger("ml_assets.serving")

Kind = Literal["missing", "unknown_category", "wrong_type", "broken_rule", "unknown_column"]

WORDS_OF: Mapping[Kind, str] = {
    "missing": "is missing",
    "unknown_category": "has categories that the model did not learn",
    "wrong_type": "is of another type",
    "broken_rule": "breaks the contract",
    "unknown_column": "have columns that the contract does not have",
}

UNKNOWN = ": is no column;"
UNNAMED = ""
"""Stands for whatever clients call a column: counters need names that do not run out."""

WRONG_TYPE = (*WORDS.values(), NOT_TEXT)
ALL = 1.0


class Oddity(NamedTuple):
    """Something that is wrong with a column."""

    column: str
    kind: Kind


Tally: TypeAlias = Mapping[Oddity, int]
"""In how many rows."""


class Alert(NamedTuple):
    """A column in which something is wrong more often than the problem allows."""

    column: str
    kind: Kind
    share: float
    """Of the last rows that were judged, in [0, 1]."""
    limit: float


class Learned(NamedTuple):
    """What a version knows about rows.

    Attributes:
        columns: Those that it asks for, each with what is wrong where it is missing.
        features: Those with categories, each with them and with what is wrong with another.
    """

    columns: tuple[tuple[str, Oddity], ...]
    features: tuple[tuple[str, frozenset[str | None], Oddity], ...]

    def names(self, column: str) -> bool:
        """Whether it asks for a column."""
        return any(column == name for name, _ in self.columns)


def learned(predictor: Predictor) -> Learned:
    """Read it off a model."""
    return Learned(
        columns=tuple((name, Oddity(name, "missing")) for name in predictor.inputs.columns),
        features=tuple(
            (name, frozenset((None, *categories)), Oddity(name, "unknown_category"))
            for name, categories in known_categories(predictor.bundle).items()
        ),
    )


def odd_in_answers(known: Learned, answers: Answers) -> Tally:
    """Count what is wrong with rows that were answered."""
    found: dict[Oddity, int] = {}
    for column, odd in known.columns:
        if None in answers.held[column]:
            found[odd] = sum(value is None for value in answers.held[column])
    for name, usual, odd in known.features:
        if not usual.issuperset(answers.features[name]):
            found[odd] = sum(value not in usual for value in answers.features[name])
    return found


def odd_in_refusal(known: Learned, refusal: InvalidRows) -> Tally:
    """Count what is wrong with rows that were refused, once for each row."""
    broken = {(each.row, _oddity(known, each.field, each.rule)) for each in refusal.broken}
    return Counter(oddity for _, oddity in broken)


def _oddity(known: Learned, field: str, rule: str) -> Oddity:
    if UNKNOWN in rule:
        return Oddity(UNNAMED, "unknown_column")
    column = field if known.names(field) else UNNAMED
    if rule.endswith(MISSING):
        return Oddity(column, "missing")
    return Oddity(column, "wrong_type" if rule.endswith(WRONG_TYPE) else "broken_rule")


class Watch:
    """What is wrong with the rows of one problem, in one process.

    Attributes:
        alerts: Those that stand now.
    """

    def __init__(self, problem: Problem, counted: Counted) -> None:
        self.alerts: dict[Oddity, Alert] = {}
        self._problem = problem
        self._counted = counted
        self._window: Counter[Oddity] = Counter()
        self._rows = 0
        self._counting = threading.Lock()

    def add(self, rows: int, odd: Tally) -> None:
        """Count what was odd among so many rows, and judge the window once it is full."""
        name = self._problem.name
        with self._counting:
            for oddity, count in odd.items():
                self._window[oddity] += count
                self._counted.add(name, *oddity, by=count)
            self._rows += rows
            if self._rows >= WINDOW_ROWS:
                self._judge()

    def _judge(self) -> None:
        """Replace the alerts by those of the window, say what changed, and begin another."""
        alerts = {Oddity(each.column, each.kind): each for each in self._beyond_limits()}
        for oddity in alerts.keys() - self.alerts.keys():
            _warn(self._problem.name, alerts[oddity], self._rows)
        for oddity in self.alerts.keys() - alerts.keys():
            LOG.info("%s: %s %s no more.", self._problem.name, *_said(oddity))
        self.alerts, self._window, self._rows = alerts, Counter(), 0

    def _beyond_limits(self) -> list[Alert]:
        shares = {oddity: count / self._rows for oddity, count in self._window.items()}
        return [
            Alert(*oddity, share, limit)
            for oddity, share in shares.items()
            if share > (limit := self._limit(oddity.kind)) or share >= 1.0
        ]

    def _limit(self, kind: Kind) -> float:
        """The share up to which nobody need know."""
        gate = self._problem.config.gate
        match kind:
            case "missing":
                return ALL  # which columns are seldom filled, the model has learned
            case "unknown_category":
                return gate.new_categories.limit
        return gate.max_quarantine_rate


def _warn(problem: str, alert: Alert, rows: int) -> None:
    share, usual = (
        f"{alert.share:.0%}",
        f", above {alert.limit:.0%}" if alert.limit < ALL else "",
    )
    said = _said(Oddity(alert.column, alert.kind))
    LOG.warning("%s: %s %s in %s of the last %s rows%s.", problem, *said, share, rows, usual)


def _said(oddity: Oddity) -> tuple[str, str]:
    return oddity.column or "rows", WORDS_OF[oddity.kind]
