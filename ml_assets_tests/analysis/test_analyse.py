import json
from datetime import timedelta

import pytest
from loans import NOW
from sklearn.metrics import confusion_matrix, roc_auc_score

from ml_assets.analysis import Analysis, analyse, scan_version
from ml_assets.features import load_training_set, training_frame
from ml_assets.registry import load_bundle


@pytest.fixture(scope="module")
def analysis(people_model):
    return analyse(people_model.problem, people_model.home, people_model.version, now=NOW)


@pytest.fixture(scope="module")
def test_rows(people_model):
    problem, home = people_model.problem, people_model.home
    rows = training_frame(problem, home, load_training_set(problem, home), splits=("test",))
    bundle = load_bundle(problem, home, people_model.version)
    return rows, bundle.predict(rows)


class TestAnalysis:
    def test_measures_the_test_rows_beside_train_and_baseline(self, analysis, test_rows):
        rows, answers = test_rows

        kpi = analysis.metrics[0]

        assert kpi.value == pytest.approx(roc_auc_score(rows["label"], answers))
        assert kpi.low < kpi.value < kpi.high
        assert kpi.train > kpi.value > kpi.baseline == 0.5
        assert analysis.kpi.keeps_floor

    def test_decides_by_the_threshold_that_costs_least_on_validation_rows(
        self, analysis, test_rows
    ):
        rows, answers = test_rows

        chosen, table = analysis.threshold_choice, analysis.confusion

        no_no, no_yes, yes_no, yes_yes = confusion_matrix(
            rows["label"], answers >= chosen.threshold
        ).ravel()
        assert analysis.threshold == chosen.threshold < 0.5
        assert chosen.cost < chosen.cost_at_half
        assert table.true_positives == yes_yes
        assert (table.false_positives, table.false_negatives) == (no_yes, yes_no)
        assert table.true_negatives == no_no

    def test_slices_by_columns_bins_and_pairs_worst_first(self, analysis):
        ways = {one.columns for one in analysis.slices.slices}

        values = [one.metrics["roc_auc"] for one in analysis.slices.slices]
        assert ways == {("purpose",), ("amount_usd",), ("purpose", "gender")}
        assert sum(one.columns == ("amount_usd",) for one in analysis.slices.slices) == 5
        assert values == sorted(values)

    def test_audits_protected_groups_that_no_feature_reads(self, analysis):
        (gender,) = analysis.fairness

        assert {one.value for one in gender.groups} == {"f", "m"}
        assert gender.difference("demographic_parity").value < 0.3
        assert analysis.protection.passed

    def test_says_what_the_model_depends_on(self, analysis):
        importance = analysis.importance

        assert importance.path == "direct"
        assert importance.features[0].feature == "story"
        assert importance.features[0].low > 0.05
        assert {one.feature for one in importance.contributions} == {
            "purpose",
            "amount_to_income",
            "is_large",
            "story",
        }

    def test_draws_the_learning_curve(self, analysis):
        rows = [one.rows for one in analysis.learning_curve]

        assert rows == sorted(rows)
        assert analysis.learning_curve[-1].validation > analysis.learning_curve[0].validation

    def test_is_json_and_back_the_same(self, analysis):
        text = json.dumps(analysis.to_json(), allow_nan=False)

        assert Analysis.from_json(json.loads(text)) == analysis

    def test_is_remembered(self, analysis, people_model):
        later = NOW + timedelta(days=1)

        again = analyse(
            people_model.problem, people_model.home, people_model.version, now=later
        )

        assert again.unchanged
        assert again.at == analysis.at
        assert again.slices == analysis.slices

    def test_is_of_a_regression_as_well(self, values_model):
        found = analyse(values_model.problem, values_model.home, values_model.version, now=NOW)

        assert (found.threshold, found.confusion, found.curves) == (None, None, None)
        assert found.metrics[0].low < found.metrics[0].value < found.metrics[0].high
        assert found.importance.contributions is not None
        assert found.importance.features[0].low > 0
        assert {one.columns[0] for one in found.slices.slices} <= {
            "purpose",
            "amount_usd",
            "income_usd",
        }


def test_any_columns_of_the_contract_can_be_sliced_by(people_model):
    scan = scan_version(
        people_model.problem,
        people_model.home,
        people_model.version,
        [("gender", "zip_code")],
        min_rows=10,
    )

    assert len(scan.slices) + scan.too_small == 12
    assert all(one.rows >= 10 for one in scan.slices)
