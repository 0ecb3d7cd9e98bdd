import copy

import pytest
import yaml

from ml_assets.errors import ProblemError
from ml_assets.problem import Config, problem_named, problems


@pytest.fixture
def values():
    path = problem_named("complaints").folder / "config.yaml"
    return yaml.safe_load(path.read_text())


class TestConfig:
    def test_reads_the_file_of_every_problem(self):
        for problem in problems():
            config = Config.from_file(problem.folder / "config.yaml")

            assert config == problem.config

    def test_refuses_an_unknown_key_with_the_nearest_known_name(self, values):
        values["objectiv"] = values.pop("objective")

        with pytest.raises(
            ProblemError, match="objectiv: unknown key; did you mean 'objective'"
        ):
            Config.from_values(values, where="config.yaml")

    def test_refuses_an_unknown_key_deep_in_a_section(self, values):
        first = next(iter(values["training"]["estimators"].values()))
        first["hyperparamters"] = {}

        with pytest.raises(ProblemError, match="did you mean 'hyperparameters'"):
            Config.from_values(values, where="config.yaml")

    def test_lists_the_known_keys_when_none_is_near(self, values):
        values["split"] = {"zzz": 1}

        with pytest.raises(ProblemError, match=r"split\.zzz: unknown key; known keys: by, "):
            Config.from_values(values, where="config.yaml")

    def test_names_every_mistake_at_once(self, values):
        broken = copy.deepcopy(values)
        broken["kpi"]["direction"] = "sideways"
        del broken["owner"]

        with pytest.raises(ProblemError, match="cannot be used") as error:
            Config.from_values(broken, where="config.yaml")

        assert "kpi.direction" in str(error.value)
        assert "owner: Field required" in str(error.value)

    def test_refuses_a_moment_of_prediction_that_is_no_moment(self, values):
        values["moment_of_prediction"] = "tomorrow"

        with pytest.raises(ProblemError, match="'tomorrow' is none of"):
            Config.from_values(values, where="config.yaml")

    def test_refuses_a_file_that_is_not_yaml(self, tmp_path):
        path = tmp_path / "config.yaml"
        path.write_text("a: [1,")

        with pytest.raises(ProblemError, match="is not YAML"):
            Config.from_file(path)


class TestCatalog:
    def test_finds_the_problems_that_ship(self):
        assert "complaints" in [problem.name for problem in problems()]

    def test_names_the_nearest_problem_when_there_is_none(self):
        with pytest.raises(ProblemError, match="Did you mean 'complaints'"):
            problem_named("complaint")
