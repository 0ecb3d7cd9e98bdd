import numpy as np
import pytest

from ml_assets.evaluation.importance import contributions, permutation_importance


@pytest.fixture
def columns(rng):
    return {
        "strong": rng.normal(size=800).tolist(),
        "weak": rng.normal(size=800).tolist(),
        "none": rng.choice(["a", "b"], 800).tolist(),
    }


def score(columns):
    return 2 * np.array(columns["strong"]) + 0.3 * np.array(columns["weak"])


class TestPermutationImportance:
    def test_ranks_features_by_what_the_model_loses(self, columns, rng):
        y = (score(columns) + rng.normal(size=800) > 0).astype(float)

        found = permutation_importance(
            "roc_auc", y, columns, lambda asked: 1 / (1 + np.exp(-score(asked)))
        )

        assert [one.feature for one in found] == ["strong", "weak", "none"]
        assert found[0].low > 0.2
        assert (found[2].loss, found[2].low, found[2].high) == (0.0, 0.0, 0.0)

    def test_is_of_a_regression_as_well_and_positive_where_a_feature_helps(self, columns, rng):
        y = score(columns) + rng.normal(size=800)

        found = permutation_importance("mae", y, columns, score)

        assert found[0].feature == "strong"
        assert found[0].low > 0.5


class TestContributions:
    def test_are_the_exact_shares_of_a_linear_score(self, columns):
        found = {one.feature: one for one in contributions(columns, score)}

        strong = np.array(columns["strong"])
        assert found["strong"].mean_size == pytest.approx(
            2 * np.abs(strong - strong.mean()).mean()
        )
        assert found["none"].mean_size == 0.0

    def test_are_none_where_features_work_together(self, columns):
        def product(asked):
            return np.array(asked["strong"]) * np.array(asked["weak"])

        assert contributions(columns, product) is None

    def test_say_what_frequent_values_add(self, columns):
        def by_letter(asked):
            return np.array([1.0 if value == "a" else 0.0 for value in asked["none"]])

        found = contributions(columns, by_letter)[0]

        shares = dict(found.values)
        assert shares["a"] - shares["b"] == pytest.approx(1.0)
