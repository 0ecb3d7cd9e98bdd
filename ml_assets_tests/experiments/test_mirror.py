"""The copy of experiments in a real store of MLflow."""

import warnings

import pytest
from hypotheses import STORY, WITHOUT_STORY, C, declared, run
from loans import draw, learned_from

from ml_assets.errors import ExperimentError
from ml_assets.experiments import last_run
from ml_assets.experiments.mirror import mirror


@pytest.fixture
def runs_at():
    """Reads the runs of MLflow by their names."""

    def read(uri):
        from mlflow import MlflowClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = MlflowClient(tracking_uri=uri)
            place = client.get_experiment_by_name("ml_assets/loans").experiment_id
            return {each.info.run_name: each for each in client.search_runs([place])}

    return read


@pytest.mark.slow
def test_has_both_sides_of_every_experiment_once(home, rng, tmp_path, runs_at):
    learned_from(WITHOUT_STORY, home, draw(800, rng, months=6))
    better = declared(WITHOUT_STORY, home, STORY, hypothesis="Stories tell.")
    broken = declared(WITHOUT_STORY, home, features="hypotheses:broken")
    declared(WITHOUT_STORY, home, f"{C}=0.1", hypothesis="Not run.")
    run(WITHOUT_STORY, home, better)
    with pytest.raises(KeyError):
        run(WITHOUT_STORY, home, broken)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    first, again = (mirror(WITHOUT_STORY, home, uri=uri) for _ in range(2))

    assert (first.new, first.known, again.new, again.known) == (4, 0, 0, 4)
    found = runs_at(uri)
    variant, outcome = found["loans-1 variant"], last_run(home, better)
    assert variant.data.metrics["roc_auc"] == outcome.metrics["variant"]["roc_auc"]
    assert variant.data.metrics["difference_low"] == outcome.difference.low
    assert variant.data.params["encoders.story.kind"] == "tfidf"
    assert variant.data.tags["verdict"] == "supported"
    assert variant.data.tags["hypothesis"] == "Stories tell."
    assert found["loans-2 variant"].info.status == "FAILED"
    assert "no such column" in found["loans-2 variant"].data.tags["error"]


def test_says_so_when_there_is_no_such_store(home):
    with pytest.raises(ExperimentError, match="MLflow does not take it at nowhere://"):
        mirror(WITHOUT_STORY, home, uri="nowhere://x")
