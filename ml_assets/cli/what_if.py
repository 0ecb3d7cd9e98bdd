"""What the model would say of another row, on the terminal."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.cli.printing import cell, print_json, print_table, say
from ml_assets.errors import InferenceError
from ml_assets.problem import problem_named
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.analysis import Counterfactual, WhatIf
    from ml_assets.analysis.what_if import Change
    from ml_assets.problem import Problem

NOTHING_FOUND = 3
LONGEST = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks: one row, and what is to change."""

    row: Path | None
    prediction: str | None
    changes: tuple[str, ...]
    nearest: bool
    fields: tuple[str, ...] | None
    target: float | None
    version: str | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it; `nearest` where the smallest change was looked for."""

    what_if: "WhatIf | None"
    nearest: "Counterfactual | None"

    @property
    def exit_code(self) -> int:
        """3 where nothing turns the answer."""
        return NOTHING_FOUND if self.nearest is not None and self.nearest.found is None else 0


def read_answer(problem_name: str, home: Home, asked: Asked) -> Answer:
    """Ask the model.

    Raises:
        InferenceError: If there is not exactly one row, or nothing to change.
    """
    from ml_assets.analysis import nearest_counterfactual, read_changes, what_if
    from ml_assets.inference.loading import load_predictor

    problem = problem_named(problem_name)
    row, version = _row(problem, home, asked)
    if not asked.changes and not asked.nearest:
        raise InferenceError(
            "There is nothing to change. Say --set field=value, or --nearest for the smallest "
            "change that turns the answer."
        )
    predictor = load_predictor(problem, home, asked.version or version)
    changes = read_changes(problem, asked.changes)
    if not asked.nearest:
        return Answer(what_if=what_if(predictor, row, changes), nearest=None)
    nearest = nearest_counterfactual(
        problem, home, predictor, {**row, **changes}, fields=asked.fields, target=asked.target
    )
    return Answer(what_if=nearest.found, nearest=nearest)


def _row(problem: "Problem", home: Home, asked: Asked) -> tuple[dict[str, Any], str | None]:
    """The row, and the version that answered it where it is a prediction's."""
    from ml_assets.analysis import row_of_prediction

    if (asked.row is None) == (asked.prediction is None):
        raise InferenceError("Say which row: --row FILE, or --prediction ID of a served one.")
    if asked.prediction is not None:
        return row_of_prediction(problem, home, asked.prediction)
    return _read(asked.row or Path()), None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        row = json.loads(text)
    except OSError as error:
        raise InferenceError(f"{path} cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError as error:
        raise InferenceError(f"{path} is not JSON: {error}.") from None
    if not isinstance(row, dict):
        raise InferenceError(f"{path} has to hold one row: an object of fields and values.")
    return row


def print_answer(problem_name: str, answer: Answer, *, as_json: bool) -> None:
    """Print both answers, and what changed between them."""
    if as_json:
        print_json(answer.nearest or answer.what_if)
        return
    nearest = answer.nearest
    if nearest is not None and answer.what_if is None:
        say(
            f"No change of at most 3 of {', '.join(nearest.fields)} turns the answer; "
            f"{nearest.tried:,} rows were tried. Another --target may be within reach."
        )
    if answer.what_if is None:
        return
    _print_both(problem_name, answer.what_if)
    if nearest is not None:
        say(
            f"The nearest of {nearest.tried:,} rows that were tried (distance {nearest.distance:.3g})."
        )


def _print_both(problem_name: str, found: "WhatIf") -> None:
    print_table(
        f"Changed fields of {problem_name}", ["field", "before", "after"], _lines(found.changes)
    )
    if found.features:
        print_table(
            "What the model reads", ["feature", "before", "after"], _lines(found.features)
        )
    if found.decision_before is None:
        say(f"{cell(found.before)} becomes {cell(found.after)} ({found.difference:+,.4g}).")
        return
    words = {True: "yes", False: "no"}
    turned = (
        f"the decision turns from {words[found.decision_before]} to {words[bool(found.decision_after)]}"
        if found.turns
        else f"the decision stays {words[found.decision_before]}"
    )
    say(f"{found.before:.4f} becomes {found.after:.4f} ({found.difference:+.4f}): {turned}.")


def _lines(changes: "Iterable[Change]") -> list[tuple[str, str, str]]:
    return [(one.field, _short(one.before), _short(one.after)) for one in changes]


def _short(value: object) -> str:
    text = "(none)" if value is None else cell(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
