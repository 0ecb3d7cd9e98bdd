"""`ml-assets experiment …` and `ml-assets tune`, as a person calls them."""

import shutil

import pytest

C = "training.estimators.logistic.hyperparameters.C"
LESS = ["--estimator", "logistic", "--set", f"{C}=0.01"]


@pytest.fixture(scope="module")
def place(played, tmp_path_factory):
    """A copy of the home: others count what is in it."""
    copy = tmp_path_factory.mktemp("copy") / "home"
    shutil.copytree(played.home, copy)
    return copy


@pytest.fixture
def ask(call, place):
    return lambda *arguments: call(*arguments, "--home", place)


class TestExperiment:
    def test_is_declared_run_and_shown(self, ask):
        declared = ask("experiment", "new", "complaints", "Less is more.", *LESS)
        ran = ask("experiment", "run", "complaints-1", "--json")
        shown = ask("experiment", "show", "complaints-1")

        assert "Changed: hyperparameters. Everything else is fixed." in declared.words
        assert "ml-assets experiment run complaints-1" in declared.words
        assert ran.facts["run"]["verdict"] in ("supported", "refuted", "inconclusive")
        assert ran.facts["run"]["low"] <= ran.facts["run"]["difference"]
        assert set(ran.facts["run"]["versions"]["control"]) == {
            "data",
            "pipeline",
            "hyperparameters",
        }
        assert "Less is more." in shown.words
        assert "hyperparameters.C: 0.3, now 0.01" in shown.words
        assert ran.facts["run"]["sentence"] in shown.words

    def test_of_two_changes_is_refused(self, ask):
        two = [*LESS, "--window", "1"]

        refused = ask("experiment", "new", "complaints", "Both.", *two)

        assert refused.exit_code == 1
        assert "--axes data,hyperparameters" in refused.err

    def test_are_listed_and_found(self, ask):
        ask("experiment", "new", "complaints", "A needle.", "--set", "training.seed=5")

        everything = ask("experiment", "list", "complaints")
        found = ask("experiment", "list", "complaints", "--search", "needle", "--json")

        assert "A needle." in everything.words
        assert [each["hypothesis"] for each in found.facts] == ["A needle."]

    def test_that_is_unknown_is_an_error(self, ask):
        assert "The newest: complaints-" in ask("experiment", "show", "complaints-99").err
        assert "is no id of an experiment" in ask("experiment", "run", "nix").err


class TestTune:
    def test_runs_trials_and_lists_them(self, ask):
        done = ask("tune", "complaints", "--trials", "2", "--processes", "1")
        listed = ask("tune", "complaints", "--list", "--json")

        assert done.exit_code == 0
        assert "2 done" in done.words
        assert "training.hyperparameters: tuned" in done.words
        (study,) = listed.facts
        assert study["best"]["kpi"] == max(each["kpi"] for each in study["trials"])
        assert len(study["trials"]) == 2


def test_models_say_what_they_were_made_from(ask):
    (model,) = ask("models", "complaints", "--json").facts

    assert set(model["axes"]) == {"data", "pipeline", "hyperparameters"}
    assert model["axes"]["data"][:8] in ask("models", "complaints").words
