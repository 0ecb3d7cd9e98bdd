import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from loans import LOANS, admit, draw, features

from ml_assets.errors import LeakageError, ProblemError, TableNotFound
from ml_assets.features import build_features, materialize_features, materialize_partitions
from ml_assets.features.view import contract_frame
from ml_assets.problem import problems
from ml_assets.storage import Commit, Lake
from ml_assets.validation import hold_to_contract


@pytest.fixture
def rows(rng):
    return draw(300, rng)


def with_features(function):
    from dataclasses import replace

    return replace(LOANS, features=function)


class TestBuildFeatures:
    def test_gives_numbers_and_text_under_the_same_index(self, rows):
        shuffled = rows.sample(frac=1, random_state=0)

        made = build_features(LOANS, shuffled)

        assert made.index.equals(shuffled.index)
        assert {str(kind) for kind in made.dtypes} == {"str", "float64"}
        assert set(made["is_large"].unique()) == {0.0, 1.0}

    @pytest.mark.parametrize(
        ("column", "reason"),
        [
            (
                "reminders",
                "known at the moment 'due', after the moment of prediction 'applied'",
            ),
            ("repaid", "its role is target"),
            ("gender", "its role is sensitive"),
            ("district", "lists it under proxies"),
        ],
    )
    @pytest.mark.parametrize(
        "reading",
        [
            lambda loans, column: loans[column],
            getattr,
            lambda loans, column: loans[["purpose", column]],
            lambda loans, column: loans.loc[:, column],
        ],
        ids=["item", "attribute", "list", "loc"],
    )
    def test_refuses_a_feature_that_reads_what_is_withheld(self, rows, column, reason, reading):
        leaking = with_features(lambda loans: features(loans).assign(x=reading(loans, column)))

        with pytest.raises(LeakageError, match=f"reads {column}, but .*{reason}"):
            build_features(leaking, rows)

    def test_leaves_other_mistakes_as_they_are(self, rows):
        mistaken = with_features(lambda loans: loans["no_such_column"])

        with pytest.raises(KeyError, match="no_such_column"):
            build_features(mistaken, rows)

    def test_refuses_the_label_among_the_features(self, rows):
        labelled = with_features(lambda loans: features(loans).assign(repaid=1.0))

        with pytest.raises(LeakageError, match="repaid is what we predict"):
            build_features(labelled, rows)

    def test_refuses_names_that_are_taken(self, rows):
        taken = with_features(lambda loans: features(loans).assign(split="x", loan_id="y"))

        with pytest.raises(ProblemError, match=r"loan_id, split is taken\. Rename it"):
            build_features(taken, rows)

    @pytest.mark.parametrize(
        "change",
        [
            lambda made: made.iloc[1:],
            lambda made: made.reset_index(drop=True),
            lambda made: made["purpose"],
        ],
        ids=["fewer rows", "another index", "no frame"],
    )
    def test_refuses_what_is_not_one_row_for_each(self, rows, change):
        wrong = with_features(lambda loans: change(features(loans)))

        with pytest.raises(ProblemError, match="one row for each, in the same order"):
            build_features(wrong, rows.iloc[5:])

    def test_refuses_times(self, rows):
        timed = with_features(lambda loans: features(loans).assign(at=loans["applied_at"]))

        with pytest.raises(ProblemError, match=r"feature at is datetime64.*number of days"):
            build_features(timed, rows)

    def test_says_which_column_the_rows_lack(self, rows):
        with pytest.raises(ProblemError, match="may read story, which the rows lack"):
            build_features(LOANS, rows.drop(columns="story"))

    def test_cannot_change_the_rows_it_was_given(self, rows):
        def greedy(loans):
            loans["amount_usd"] = 0.0
            return features(loans)

        before = rows.copy()
        build_features(with_features(greedy), rows)

        assert rows.equals(before)


@pytest.fixture(params=problems(), ids=lambda problem: problem.name)
def problem(request):
    return request.param


@pytest.fixture
def valid(problem):
    """Rows of a problem that hold its contract."""
    sample = problem.sample(200, np.random.default_rng(0))
    columns = {n: pa.array(sample[n], pa.string(), from_pandas=True) for n in problem.fields}
    return contract_frame(problem, hold_to_contract(problem, pa.table(columns)).valid)


class TestLawsOfEveryProblem:
    def test_features_of_a_row_do_not_depend_on_its_neighbours(self, problem, valid):
        together = build_features(problem, valid)

        for place in (0, 7, 199):
            alone = build_features(problem, valid.iloc[[place]])
            pd.testing.assert_frame_equal(alone, together.iloc[[place]])

    def test_features_do_not_depend_on_the_order_of_rows(self, problem, valid):
        turned = build_features(problem, valid[::-1])

        pd.testing.assert_frame_equal(turned[::-1], build_features(problem, valid))

    def test_features_do_not_depend_on_columns_that_are_withheld(self, problem, valid):
        hidden = [name for name in valid if name not in problem.known_columns]

        scrambled = valid.assign(**dict.fromkeys(hidden))

        pd.testing.assert_frame_equal(
            build_features(problem, scrambled), build_features(problem, valid)
        )


class TestMaterializeFeatures:
    def test_keeps_features_beside_id_time_and_label(self, home, rows):
        first, *_ = admit(LOANS, home, rows)

        made = materialize_features(LOANS, home, first, run_id="r1")

        stored = home.lake.read("loans/features", partitions=[first]).to_pandas()
        here = rows[rows["applied_at"].dt.strftime("%Y-%m") == first].reset_index(drop=True)
        assert made.rows == len(here) == len(stored)
        assert stored["loan_id"].tolist() == here["loan_id"].tolist()
        assert stored["label"].tolist() == here["repaid"].astype(float).tolist()
        assert stored["story"].tolist() == here["story"].tolist()
        assert made.missing_rates["amount_to_income"] == here["income_usd"].isna().mean()

    def test_keeps_a_missing_label_missing(self, home, rows):
        unknown = rows.assign(repaid=pd.array([pd.NA] * len(rows), dtype="boolean"))
        partitions = admit(LOANS, home, unknown)

        list(materialize_partitions(LOANS, home, partitions, run_id="r1"))

        assert home.lake.read("loans/features")["label"].null_count == len(rows)

    def test_computes_nothing_when_nothing_changed(self, home, rows):
        first, *_ = admit(LOANS, home, rows)
        before = materialize_features(LOANS, home, first, run_id="r1")

        again = materialize_features(LOANS, home, first, run_id="r2")

        assert not before.unchanged
        assert again.unchanged
        assert again.state == before.state
        assert home.lake.version("loans/features") == 1

    def test_computes_again_when_a_row_or_the_function_changed(self, home, rows):
        first, *_ = admit(LOANS, home, rows)
        before = materialize_features(LOANS, home, first, run_id="r1")

        admit(LOANS, home, rows.assign(amount_usd=rows["amount_usd"] + 1))
        revised = materialize_features(LOANS, home, first, run_id="r2")
        edited = with_features(lambda loans: features(loans).assign(twice=2.0))
        rewritten = materialize_features(edited, home, first, run_id="r3")

        hashes = {each.state.content_hash for each in (before, revised, rewritten)}
        assert len(hashes) == 3
        assert {revised.unchanged, rewritten.unchanged} == {False}

    def test_does_not_mind_a_partition_written_again_with_the_same_rows(self, home, rows):
        first, *_ = admit(LOANS, home, rows)
        materialize_features(LOANS, home, first, run_id="r1")

        admit(LOANS, home, rows, fingerprint="gate with another comment")

        assert materialize_features(LOANS, home, first, run_id="r2").unchanged

    def test_streams_a_large_partition(self, home, rng, monkeypatch):
        monkeypatch.setattr("ml_assets.features.view.BATCH_ROWS", 100)
        rows = draw(950, rng, months=1)
        (only,) = admit(LOANS, home, rows)
        sizes = []

        def counting(loans):
            sizes.append(len(loans))
            return features(loans)

        materialize_features(with_features(counting), home, only, run_id="r1")

        assert max(sizes) <= 100
        assert sum(sizes) == 950
        assert (
            home.lake.read("loans/features")["loan_id"].to_pylist() == rows["loan_id"].tolist()
        )

    def test_refuses_columns_that_depend_on_the_rows(self, home, rng, monkeypatch):
        monkeypatch.setattr("ml_assets.features.view.BATCH_ROWS", 100)
        (only,) = admit(LOANS, home, draw(150, rng, months=1))
        fickle = with_features(
            lambda loans: (
                features(loans).assign(extra=1.0) if len(loans) < 100 else features(loans)
            )
        )

        with pytest.raises(ProblemError, match="for some rows than for others: extra"):
            materialize_features(fickle, home, only, run_id="r1")
        assert home.lake.partitions("loans/features") == {}

    def test_refuses_infinite_numbers(self, home, rows):
        first, *_ = admit(LOANS, home, rows)
        unguarded = with_features(
            lambda loans: features(loans).assign(ratio=loans["amount_usd"] / 0.0)
        )

        with pytest.raises(ProblemError, match=r"feature ratio is infinite in [0-9]+ rows"):
            materialize_features(unguarded, home, first, run_id="r1")

    def test_says_that_a_partition_was_never_admitted(self, home, rows):
        admit(LOANS, home, rows)

        with pytest.raises(TableNotFound, match="loans/validated has no partition 2031-01"):
            materialize_features(LOANS, home, "2031-01", run_id="r1")

    def test_keeps_an_empty_partition(self, home, rows):
        empty = pa.Table.from_pandas(rows.head(0), preserve_index=False)
        commit = Commit(run_id="gate", code_hash="gate", fingerprint="gate")
        home.lake.write("loans/validated", "2020-01", empty, commit=commit)

        made = materialize_features(LOANS, home, "2020-01", run_id="r1")

        assert made.rows == 0
        assert "amount_to_income" in home.lake.read("loans/features").column_names

    def test_reads_the_rows_whose_hash_it_records(self, home, rows):
        """A partition revised between the look at its hash and the reading of its rows."""
        partitions = admit(LOANS, home, rows)
        revised = rows.assign(amount_usd=1.0)

        class Meddling(Lake):
            def batches(self, table, **arguments):
                if table == "loans/validated" and not meddled:
                    meddled.append(admit(LOANS, home, revised))
                return super().batches(table, **arguments)

        meddled = []
        from dataclasses import replace

        meddling = replace(home, lake=Meddling(home.lake.url))
        materialize_features(LOANS, meddling, partitions[0], run_id="r1")

        stored = home.lake.read("loans/features")["is_large"].to_pylist()
        assert meddled
        assert 1.0 in stored
        assert not materialize_features(LOANS, home, partitions[0], run_id="r2").unchanged


def test_a_contract_frame_has_the_types_of_the_contract(rows):
    table = pa.Table.from_pandas(rows, preserve_index=False)

    frame = contract_frame(LOANS, table)

    assert str(frame["repaid"].dtype) == "boolean"
    assert str(frame["applied_at"].dtype) == "datetime64[us, UTC]"
    assert str(frame["story"].dtype) == "str"
    assert frame["applied_at"].iloc[0] >= pd.Timestamp(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
