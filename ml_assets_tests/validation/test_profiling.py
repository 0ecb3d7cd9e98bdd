from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from flats import FLATS, admit, draw
from loans import with_config

from ml_assets.errors import TableNotFound
from ml_assets.validation import profile
from ml_assets.validation.column_profile import cramers_v
from ml_assets.validation.profiling import describe
from ml_assets.validation.target_profile import advice, distribution_of


@pytest.fixture
def profiled(gate):
    def run(df, *, problem=None, partition="2015-03"):
        admission = gate.both(partition, df)
        assert admission.admitted, admission.reasons
        problem = problem or gate.problem
        return profile(problem, gate.home, partition, run_id="run", now=gate.now)

    return run


def column(found, name):
    return next(each for each in found.columns if each.column == name)


class TestAProfile:
    def test_counts_rows_and_labels(self, profiled, drawn, with_positives):
        found = profiled(with_positives(drawn(200), 60))

        assert (found.rows, found.rows_profiled, found.labelled) == (200, 200, 200)
        assert found.label_rate == 0.3
        assert sum(rows for _, rows in found.rows_by_day) == 200

    def test_describes_a_category(self, profiled, drawn):
        df = drawn(200)

        state = column(profiled(df), "state")

        counts = df["state"].value_counts()
        assert state.missing_share == df["state"].isna().mean()
        assert state.distinct == df["state"].nunique()
        assert state.top[0][1] == counts.max()
        assert state.minimum is None

    def test_describes_prose_by_its_length(self, profiled, drawn):
        df = drawn(200)

        narrative = column(profiled(df), "consumer_complaint_narrative")

        lengths = df["consumer_complaint_narrative"].str.len()
        assert (narrative.minimum, narrative.maximum) == (lengths.min(), lengths.max())
        assert narrative.mean == pytest.approx(lengths.mean())
        assert narrative.top == ()

    def test_describes_a_time_by_the_days_since_the_event(self, profiled, drawn):
        df = drawn(200).assign(date_received="03/01/2015", date_sent_to_company="03/05/2015")

        sent = column(profiled(df), "date_sent_to_company")

        assert (sent.minimum, sent.maximum, sent.deviation) == (4.0, 4.0, 0.0)

    def test_says_how_columns_go_with_the_target(self, profiled, drawn, rng):
        df = drawn(1_000)
        disputed = (df["consumer_disputed"] == "Yes").to_numpy()
        df["issue"] = np.where(disputed, "Billing disputes", "Account status")
        df["state"] = rng.choice(["CA", "TX"], 1_000)

        found = profiled(df)

        assert column(found, "issue").association == pytest.approx(1.0)
        assert column(found, "issue").association_kind == "Cramér's V"
        assert column(found, "state").association < 0.1
        assert column(found, "consumer_complaint_narrative").association_kind == "correlation"

    def test_says_nothing_of_the_target_where_there_are_no_labels(self, profiled, drawn):
        found = profiled(drawn(100).assign(consumer_disputed="N/A"))

        assert found.label_rate is None
        assert {each.association for each in found.columns} == {None}
        assert not found.is_sufficient

    def test_counts_twins_with_another_label_as_noise(self, profiled, drawn):
        df = drawn(100)
        twins = df.iloc[:10].assign(
            complaint_id=[f"twin-{place}" for place in range(10)],
            consumer_disputed=["Yes"] * 5 + ["No"] * 5,
        )
        expected = 2 * int((twins["consumer_disputed"] != df["consumer_disputed"][:10]).sum())

        found = profiled(pd.concat([df, twins], ignore_index=True))

        assert found.noise.repeated_rows == 20
        assert found.noise.contradicting_rows == expected > 0

    def test_says_how_groups_of_people_are_represented_and_labelled(self, profiled, drawn):
        df = drawn(200).assign(tags=["Older American"] * 50 + [None] * 150)
        df["consumer_disputed"] = ["Yes"] * 40 + ["No"] * 160

        groups = {each.value: each for each in profiled(df).groups}

        assert groups["Older American"].share == 0.25
        assert groups["Older American"].label_rate == 0.8
        assert groups["not said"].label_rate == 0.0

    @pytest.mark.parametrize(("positives", "enough"), [(125, True), (10, False)])
    def test_says_whether_the_labels_suffice(
        self, profiled, drawn, with_positives, positives, enough
    ):
        found = profiled(with_positives(drawn(250), positives))

        assert found.is_sufficient is enough
        assert found.advice[0].startswith(f"250 labels, {positives} of them positive;")

    def test_says_what_a_constant_answer_would_reach(self, profiled, drawn, with_positives):
        found = profiled(with_positives(drawn(200), 20))

        assert found.advice[1] == (
            "Always giving the same answer has an accuracy of 90% and a ROC AUC of 0.5; the KPI is "
            "roc_auc."
        )

    def test_says_what_training_on_everything_will_cost(self, gate, profiled, drawn):
        gate.both("2015-01", drawn(100, month="2015-01", first_id=9_000))

        cost = profiled(drawn(200)).cost

        assert cost.rows == 300
        assert cost.fit_seconds > 0
        assert cost.peak_mb > 0

    def test_is_kept_as_a_table(self, gate, profiled, drawn):
        found = profiled(drawn(100))

        lines = gate.home.lake.read("complaints/profile", partitions=["2015-03"]).to_pandas()
        assert list(lines["line"].unique()) == ["partition", "column", "group"]
        assert (lines["line"] == "column").sum() == len(gate.problem.fields)
        assert found.state.rows == len(lines)

    def test_is_not_written_again_when_nothing_changed(self, gate, complaints, profiled, drawn):
        first = profiled(drawn(100))

        second = profile(complaints, gate.home, "2015-03", run_id="again", now=gate.now)

        assert second.state == first.state

    def test_is_not_written_again_when_another_partition_was_admitted(
        self, gate, complaints, profiled, drawn
    ):
        first = profiled(drawn(100))
        gate.both("2015-01", drawn(100, month="2015-01", first_id=9_000))

        second = profile(complaints, gate.home, "2015-03", run_id="again", now=gate.now)

        assert second.state == first.state
        assert len(gate.home.lake.history("complaints/profile")) == 2  # made, then written

    def test_is_there_for_admitted_partitions_only(self, gate, complaints, drawn):
        gate.both("2015-03", drawn(100).assign(state="Texas"))

        with pytest.raises(TableNotFound):
            profile(complaints, gate.home, "2015-03", run_id="run", now=gate.now)


class TestItsPlot:
    @pytest.mark.parametrize("rows", [1, 300])
    def test_is_a_small_picture(self, profiled, drawn, rows):
        svg = profiled(drawn(rows)).plot()

        root = ET.fromstring(svg)
        assert len(svg) < 50_000
        assert (root.get("width"), root.get("height")) == ("960", "500")

    def test_says_what_is_in_the_partition(self, profiled, drawn):
        rows = drawn(300)
        rows["issue"] = rows["consumer_disputed"].map(
            {"Yes": 'Late <fees> & "charges"', "No": "B"}
        )

        texts = [each.text for each in ET.fromstring(profiled(rows).plot()).iter()]

        assert any(text and text.startswith("complaints 2015-03: 300 rows") for text in texts)
        assert "Rows by day" in texts
        assert any(text and 'Late <fees> & "charges"' in text for text in texts)

    def test_is_drawn_without_labels(self, profiled, drawn):
        assert profiled(drawn(50).assign(consumer_disputed="N/A")).plot()


def test_association_by_chance_is_near_zero_however_many_categories(rng):
    labels = pd.Series(rng.integers(2, size=2_000))
    names = pd.Series(rng.integers(150, size=2_000))

    assert cramers_v(names, labels) < 0.12
    assert cramers_v(pd.Series(["same"] * 2_000), labels) == 0.0


@pytest.mark.parametrize("rows", [0, 1, 2, 20])
def test_names_that_occur_once_each_go_with_nothing(rows):
    names, labels = [f"name {row}" for row in range(rows)], [row % 2 for row in range(rows)]

    assert cramers_v(names, labels) == 0.0


class TestLabelsOfARegression:
    @pytest.fixture
    def described(self, home):
        (partition,) = admit(FLATS, home, draw(400, np.random.default_rng(0), months=1))
        return describe(
            FLATS,
            home.lake.read("flats/validated").drop_columns("partition"),
            quarantine_rate=0.0,
            admitted=home.lake.partitions("flats/validated"),
            partition=partition,
        )

    def test_are_put_into_bins_that_hold_them_all(self, described):
        target = described.target

        assert sum(target.counts) == described.labelled == 400
        assert list(target.edges) == sorted(target.edges)
        assert target.edges[0] < target.low < target.median < target.high < target.edges[-1]

    def test_are_drawn_and_said(self, described):
        picture = described.plot().decode()

        assert "400 labels, " in picture
        assert all(name in picture for name, _ in described.target.shares)
        assert len(picture) < 50_000

    def test_have_a_range_like_any_other_number(self, described):
        (target,) = [each for each in described.columns if each.role == "target"]

        assert (target.minimum, target.maximum) == (
            described.target.edges[0],
            described.target.edges[-1],
        )

    def test_are_advised_to_have_a_kpi_in_which_cheap_ones_count(self):
        labels = pd.Series(np.random.default_rng(0).lognormal(10, 1.5, 1_000))
        dollars = with_config(
            FLATS, kpi={"metric": "mae"}, training={"target": {"transform": "none"}}
        )

        (said,) = advice(dollars, distribution_of(dollars, labels))
        (settled,) = advice(FLATS, distribution_of(FLATS, labels))

        assert "Take median_ape or mape as KPI, and training.target.transform: log" in said
        assert "is the baseline to beat" in settled

    @pytest.mark.parametrize("labels", [[5.0], [5.0, 5.0, 5.0], [-2.0, 0.0, 7.0]])
    def test_may_be_few_or_all_the_same(self, labels):
        found = distribution_of(FLATS, pd.Series([*labels, np.nan]))

        assert sum(found.counts) == len(labels)
        assert len(found.edges) == len(found.counts) + 1
        assert len(found.shares) == len(found.counts)

    def test_may_not_be_there(self):
        assert distribution_of(FLATS, pd.Series([np.nan, np.nan])) is None
