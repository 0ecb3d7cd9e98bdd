import numpy as np
import pytest
from loans import LOANS, NOW, draw, learned_from, with_config

from ml_assets.analysis.dependence import importance_of
from ml_assets.analysis.shapley import is_installed
from ml_assets.registry import ensure_model, load_bundle

TREES = with_config(
    LOANS,
    training={
        "estimators": {"trees": {"kind": "boosting", "hyperparameters": {"max_iter": 10}}},
        "encoders": {"purpose": {"kind": "one_hot"}, "amount_to_income": {"kind": "scale"}},
    },
)


@pytest.fixture
def importance(home):
    learned_from(TREES, home, draw(1_000, np.random.default_rng(0)))
    version = ensure_model(TREES, home, now=NOW, run_id="run")
    return importance_of(TREES, home, load_bundle(TREES, home, version))


def test_of_trees_is_measured_by_shuffling(importance):
    assert {one.feature for one in importance.features} == {"purpose", "amount_to_income"}
    assert importance.path == "direct"


@pytest.mark.skipif(is_installed(), reason="the extra shap is installed")
def test_of_trees_says_how_to_get_exact_shares(importance):
    assert importance.contributions is None
    assert "the extra shap gives the shares of trees" in importance.why_not_exact


@pytest.mark.skipif(not is_installed(), reason="needs the extra shap")
def test_of_trees_has_exact_shares_with_the_extra(importance):
    sizes = {one.feature: one.mean_size for one in importance.contributions}

    assert importance.why_not_exact is None
    assert sizes.keys() == {"purpose", "amount_to_income"}
    assert min(sizes.values()) > 0
