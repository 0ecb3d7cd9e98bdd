"""Rows about one and the same thing are held out together, or not at all."""

from dataclasses import replace

import pandas as pd
import pytest
from loans import CONFIG, LOANS, NOW, draw, learned_from

from ml_assets.errors import ProblemError
from ml_assets.features import assign_split, build_training_set
from ml_assets.problem import Config

TWINS = {
    "source": "purpose",
    "blocking": [["story"]],
    "comparisons": {
        "story": {"kind": "text", "levels": [{"within": 0, "m": 0.9, "u": 0.001}]},
        "amount_usd": {"kind": "number"},
    },
}


def problem(by="time", **changed):
    config = CONFIG | {"duplicates": TWINS | changed, "split": {"by": by}}
    return replace(LOANS, config=Config.from_values(config, where="the test"))


@pytest.fixture
def rows(rng):
    """A tenth of the applications come again under another id, some months later."""
    once = draw(1_500, rng)
    again = once.sample(150, random_state=0)
    later = pd.to_timedelta(rng.integers(1, 120, size=len(again)), unit="D")
    copies = again.assign(
        loan_id=again["loan_id"] + "-again",
        applied_at=(again["applied_at"] + later).astype("datetime64[us, UTC]"),
        amount_usd=again["amount_usd"] * 1.002,
    )
    return pd.concat([once, copies], ignore_index=True)


def torn(frame, name="split"):
    """Pairs of an application and its copy that are in two splits."""
    by_id = frame.set_index("loan_id")[name]
    copies = by_id[by_id.index.str.endswith("-again")]
    originals = by_id[copies.index.str.removesuffix("-again")]
    return int((copies.to_numpy() != originals.to_numpy()).sum())


def stored(problem, home):
    return home.lake.batches(f"{problem.name}/training_set").read_all().to_pandas()


@pytest.mark.parametrize("by", ["time", "entity"])
class TestBothKindsOfSplit:
    def test_never_part_two_copies(self, home, rows, by):
        declared = problem(by)

        learned_from(declared, home, rows)

        assert torn(stored(declared, home)) == 0

    def test_part_them_where_nothing_is_declared(self, home, rows, by):
        blind = replace(
            problem(by), config=problem(by).config.model_copy(update={"duplicates": None})
        )

        learned_from(blind, home, rows)

        assert torn(stored(blind, home)) > 10

    def test_are_assigned_alike_without_a_lake(self, rows, by):
        assigned = rows.assign(split=assign_split(problem(by), rows))

        assert torn(assigned) == 0

    def test_are_assigned_alike_in_any_order(self, rows, by):
        turned = rows.sample(frac=1, random_state=1)

        assigned = assign_split(problem(by), turned)

        assert assigned.sort_index().equals(assign_split(problem(by), rows))


class TestTrainingSet:
    def test_says_which_rows_are_held_together(self, home, rows):
        learned_from(problem(), home, rows)

        groups = stored(LOANS, home).set_index("loan_id")["group_id"]
        names = groups.index.str.removesuffix("-again")
        assert (groups.to_numpy() == names).all()

    def test_goes_by_time_where_the_newest_row_of_a_group_goes(self, home, rows):
        learned_from(problem(), home, rows)

        frame = stored(LOANS, home)
        newest = frame.groupby("group_id")["applied_at"].transform("max").dt.date
        held_out = newest[frame["split"] == "test"].min()
        assert (newest[frame["split"] != "test"] < held_out).all()

    def test_is_stale_when_a_rule_changes(self, home, rows):
        learned_from(problem(), home, rows)
        before = home.lake.partitions("loans/training_set")["all"]

        build_training_set(problem(link_from=0.6), home, now=NOW, run_id="again")

        after = home.lake.partitions("loans/training_set")["all"]
        assert after.fingerprint != before.fingerprint

    def test_is_another_where_a_rule_links_other_rows(self, home, rows):
        loose = learned_from(problem(), home, rows)

        strict = build_training_set(problem(link_from=0.999_999), home, now=NOW, run_id="again")

        assert strict.id != loose.id
        assert torn(stored(LOANS, home)) > 10

    def test_refuses_rules_about_columns_that_the_contract_lacks(self, home, rows):
        odd = problem(source="portal")

        with pytest.raises(ProblemError, match="names portal, which the contract lacks"):
            learned_from(odd, home, rows)
