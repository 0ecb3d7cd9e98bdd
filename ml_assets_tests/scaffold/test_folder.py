"""The folder that is written: whole or not at all, found as it is, and true of the file."""

import datetime as dt
import re
from importlib import metadata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sheets import churn, flats, orders

from ml_assets.errors import ProblemError
from ml_assets.features import build_features, contract_frame
from ml_assets.problem import problem_in, problem_named
from ml_assets.scaffold import Asked, draft, files_of, hold_file, require_free, write_folder
from ml_assets.validation import hold_to_contract

TODAY = dt.date(2026, 1, 1)
FILES = {
    "price_of_flats": (flats, "Price"),
    "leaving": (churn, "churned"),
    "late": (orders, "Late?"),
}


def write(name, folder):
    """Draft one of the three problems and write it into a folder."""
    make, target = FILES[name]
    file = make(folder)
    files = files_of(draft(Asked(name=name, file=file, target=target), today=TODAY))
    write_folder(files, folder / name)
    return folder / name, file


@pytest.fixture(scope="module", params=FILES)
def written(request, tmp_path_factory):
    return write(request.param, tmp_path_factory.mktemp("drafts"))


@pytest.fixture(scope="module")
def problem(written):
    return problem_in(written[0])


def rows_of(problem, sample):
    texts = {n: pa.array(sample[n], pa.string(), from_pandas=True) for n in problem.fields}
    return hold_to_contract(problem, pa.table(texts))


class TestAWrittenFolder:
    def test_holds_every_row_of_its_file(self, written):
        held = hold_file(*written)

        assert (held.valid, held.broken) == (held.rows, {})

    def test_draws_rows_that_hold_the_contract(self, problem):
        sample = problem.sample(500, np.random.default_rng(0))

        verdict = rows_of(problem, sample)

        assert verdict.broken == {}
        assert list(sample) == list(problem.fields)

    def test_copies_no_row(self, written, problem):
        file = pd.read_csv(written[1], dtype=str).fillna("")
        sample = problem.sample(500, np.random.default_rng(0)).fillna("")

        ids = set(file.iloc[:, 0])
        assert not ids & set(sample[problem.entity_id])
        assert not any("@example.org" in text for text in sample.to_numpy().ravel())

    def test_makes_features_of_one_row_alone(self, problem):
        rows = contract_frame(
            problem, rows_of(problem, problem.sample(50, np.random.default_rng(1))).valid
        )
        features = build_features(problem, rows)

        for place in (0, 7, len(rows) - 1):
            alone = build_features(problem, rows.iloc[[place]])
            pd.testing.assert_frame_equal(alone, features.iloc[[place]])
        assert set(features) == set(problem.config.training.encoders)

    def test_says_of_every_column_why(self, written, problem):
        text = (written[0] / "README.md").read_text(encoding="utf-8")

        for name, field in problem.fields.items():
            assert re.search(rf"^\| `{name}` \| {field.role} \|", text, re.MULTILINE)
        assert problem.config.kpi.metric in text

    def test_says_why_this_metric_beside_it(self, written):
        text = (written[0] / "config.yaml").read_text(encoding="utf-8")

        assert re.search(r"# Why this metric: .*\n(# .*\n)*kpi:", text)


class TestAFolderOfProblems:
    @pytest.fixture
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        home = tmp_path / "problems"
        home.mkdir()
        return home

    def test_is_looked_into_without_installing(self, here):
        write("leaving", here)

        assert problem_named("leaving").entity_id == "customer_id"

    def test_elsewhere_is_not(self, here, tmp_path, monkeypatch):
        write("late", here)
        (tmp_path / "away").mkdir()
        monkeypatch.chdir(tmp_path / "away")

        with pytest.raises(ProblemError, match=r"There is no problem 'late'.*in problems/ of"):
            problem_named("late")

    def test_says_what_is_wrong_with_a_folder(self, here):
        folder, _ = write("price_of_flats", here)
        (folder / "features.py").write_text("def features(rows:\n")

        with pytest.raises(
            ProblemError, match=r"'price_of_flats' .* cannot be loaded: '\(' was never"
        ):
            problem_named("price_of_flats")

    def test_is_a_distribution_like_any_other(self, here):
        write("price_of_flats", here)
        problem_named("price_of_flats")

        found = metadata.distribution("price-of-flats")

        assert found.version == "0.1.0"
        assert [each.value for each in found.entry_points] == ["price_of_flats:price_of_flats"]

    def test_that_is_broken_stands_in_nobody_elses_way(self, here):
        (here / "broken").mkdir()
        (here / "broken" / "pyproject.toml").write_text("[project")

        with pytest.raises(metadata.PackageNotFoundError):
            metadata.version("no-such-distribution")
        with pytest.raises(ProblemError, match=r"broken/pyproject.toml cannot be read"):
            problem_named("broken")


class TestANameIsRefused:
    def test_when_its_folder_is_there(self, tmp_path):
        (tmp_path / "leaving").mkdir()

        with pytest.raises(ProblemError, match="is there already, and nothing is written over"):
            require_free("leaving", tmp_path)

    @pytest.mark.parametrize("name", ["json", "numpy"])
    def test_when_python_has_it(self, tmp_path, name):
        with pytest.raises(ProblemError, match="Python has a module of that name"):
            require_free(name, tmp_path)

    @pytest.mark.parametrize("name", ["Churn", "2nd", "docs", "a-b", ""])
    def test_when_no_problem_can_have_it(self, tmp_path, name):
        with pytest.raises(ProblemError, match="A problem cannot be called"):
            require_free(name, tmp_path)
