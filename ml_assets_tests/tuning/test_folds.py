"""Validation folds: what is cut, and what stays together."""

from dataclasses import replace

import pandas as pd
import pytest
from loans import CONFIG, LOANS, draw, learned_from

from ml_assets.errors import TrainingError
from ml_assets.problem import Config
from ml_assets.training.rows import Rows
from ml_assets.tuning.objective import folds_of

TWINS = {
    "source": "purpose",
    "blocking": [["story"]],
    "comparisons": {
        "story": {"kind": "text", "levels": [{"within": 0, "m": 0.9, "u": 0.001}]},
        "amount_usd": {"kind": "number"},
    },
}


def problem(by="time"):
    config = CONFIG | {"duplicates": TWINS, "split": {"by": by}}
    return replace(LOANS, config=Config.from_values(config, where="the test"))


@pytest.fixture
def loans(rng):
    """A fifth of the applications come again under another id, some weeks later."""
    once = draw(600, rng, months=6)
    again = once.sample(120, random_state=0)
    later = pd.to_timedelta(rng.integers(1, 60, size=len(again)), unit="D")
    copies = again.assign(
        loan_id=again["loan_id"] + "-again",
        applied_at=(again["applied_at"] + later).astype("datetime64[us, UTC]"),
    )
    return pd.concat([once, copies], ignore_index=True)


def rows_of(declared, home, loans, folder):
    training_set = learned_from(declared, home, loans)
    return Rows.of(declared, home, training_set, folder=folder)


def things(frame):
    return set(frame["loan_id"].str.removesuffix("-again"))


@pytest.mark.parametrize("by", ["time", "entity"])
def test_keep_rows_about_one_thing_on_one_side(home, loans, tmp_path, by):
    rows = rows_of(problem(by), home, loans, tmp_path)

    folds = list(folds_of(rows, 3))

    assert len(folds) == 3
    for fit, validate in folds:
        assert len(validate) > 50
        assert not things(fit) & things(validate)


def test_by_time_are_validated_on_what_is_newer(home, loans, tmp_path):
    rows = rows_of(LOANS, home, loans, tmp_path)

    folds = list(folds_of(rows, 3))

    for fit, validate in folds:
        assert fit["applied_at"].max().floor("D") < validate["applied_at"].min()
    places = [place for _, validate in folds for place in validate.index]
    assert places == sorted(set(places))
    assert places[-1] == rows.frame.index[-1]


def test_by_entity_validate_every_row_once(home, loans, tmp_path):
    rows = rows_of(problem("entity"), home, loans, tmp_path)

    places = [place for _, validate in folds_of(rows, 3) for place in validate.index]

    assert sorted(places) == list(rows.frame.index)


def test_need_days_enough(home, rng, tmp_path):
    few = draw(3_000, rng, months=1)
    rows = rows_of(LOANS, home, few[few["applied_at"] < "2020-01-09"], tmp_path)

    with pytest.raises(TrainingError, match="20 folds by time need more event days"):
        list(folds_of(rows, 20))
