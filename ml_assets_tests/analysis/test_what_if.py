import uuid

import pytest

from ml_assets.analysis import (
    nearest_counterfactual,
    read_changes,
    row_of_prediction,
    what_if,
)
from ml_assets.errors import FeedbackError, InferenceError, InvalidRows
from ml_assets.inference.loading import load_predictor

ROW = {
    "loan_id": "asked",
    "applied_at": "2021-01-05",
    "amount_usd": 3_000.0,
    "income_usd": 20_000.0,
    "purpose": "car",
    "story": "word150 word151 word152 word153 word154",
}


@pytest.fixture(scope="module")
def predictor(people_model):
    return load_predictor(people_model.problem, people_model.home, people_model.version.version)


@pytest.fixture(scope="module")
def of_values(values_model):
    return load_predictor(values_model.problem, values_model.home, values_model.version.version)


class TestWhatIf:
    def test_answers_the_row_and_the_changed_row(self, predictor):
        found = what_if(predictor, ROW, {"purpose": "home"})

        (one,) = predictor.predict([ROW])
        (other,) = predictor.predict([{**ROW, "purpose": "home"}])
        assert (found.before, found.after) == (one.value, other.value)
        assert found.difference == other.value - one.value > 0
        assert found.changes == (("purpose", "car", "home"),)
        assert [change.field for change in found.features] == ["purpose"]

    def test_decides_by_the_threshold_of_the_model(self, people_model, predictor):
        chosen = people_model.version.manifest.threshold

        found = predictor.predict(
            [ROW | {"amount_usd": float(usd)} for usd in range(100, 40_000, 400)]
        )

        assert predictor.threshold == chosen != 0.5
        assert all(one.decision == (one.value >= chosen) for one in found)

    def test_holds_the_changed_row_to_the_contract(self, predictor):
        with pytest.raises(InvalidRows, match="amount_usd"):
            what_if(predictor, ROW, {"amount_usd": "many"})

    def test_reads_changes_as_people_write_them(self, people_model):
        found = read_changes(people_model.problem, ["purpose=home", "income_usd=", "story=a=b"])

        assert found == {"purpose": "home", "income_usd": None, "story": "a=b"}

    @pytest.mark.parametrize(
        ("text", "said"),
        [("purpose", "Write it as field=value"), ("gender=f", "the model reads nothing of it")],
    )
    def test_refuses_changes_that_are_none(self, people_model, text, said):
        with pytest.raises(InferenceError, match=said):
            read_changes(people_model.problem, [text])

    def test_refuses_an_id_that_nobody_got(self, people_model):
        with pytest.raises(FeedbackError, match="has no "):
            row_of_prediction(people_model.problem, people_model.home, str(uuid.uuid4()))


class TestNearestCounterfactual:
    def test_turns_the_decision_with_the_fewest_changes(self, people_model, predictor):
        found = nearest(people_model, predictor, ROW)

        assert found.found.turns
        assert len(found.found.changes) <= 2
        assert found.distance > 0

    def test_brings_a_number_back_as_far_as_the_answer_allows(self, people_model, predictor):
        target = predictor.predict([ROW])[0].value + 0.005

        found = nearest(
            people_model, predictor, ROW, fields=["amount_usd"], target=target
        ).found

        (change,) = found.changes
        towards = change.before + 0.95 * (change.after - change.before)
        assert found.after >= target
        assert what_if(predictor, ROW, {"amount_usd": towards}).after < target

    def test_changes_only_what_it_may(self, people_model, predictor):
        found = nearest(people_model, predictor, ROW, fields=["purpose", "income_usd"])

        assert found.fields == ("purpose", "income_usd")
        if found.found is not None:
            assert {one.field for one in found.found.changes} <= {"purpose", "income_usd"}

    def test_says_when_none_was_found(self, people_model, predictor):
        found = nearest(people_model, predictor, ROW, fields=["purpose"], target=0.999999)

        assert (found.found, found.distance) == (None, None)
        assert found.tried == 3

    def test_reads_numbers_that_came_as_text(self, people_model, predictor):
        as_text = {**ROW, "amount_usd": "3000", "income_usd": "20000"}

        assert nearest(people_model, predictor, as_text).found.turns

    def test_refuses_fields_that_no_model_may_read(self, people_model, predictor):
        with pytest.raises(InferenceError, match="gender cannot change"):
            nearest(people_model, predictor, ROW, fields=["gender"])

    def test_of_a_regression_needs_a_value_to_pass(self, values_model, of_values):
        start = of_values.predict([ROW])[0].value

        with pytest.raises(InferenceError, match="no other side by itself"):
            nearest(values_model, of_values, ROW)
        found = nearest(values_model, of_values, ROW, target=1.5 * start)

        assert found.found.after >= 1.5 * start


def nearest(model, predictor, row, **how):
    return nearest_counterfactual(model.problem, model.home, predictor, row, **how)
