import shutil

import pytest
from quick import BAD, GOOD, MONTHS, ROWS, deliver

from ml_assets.storage import Home


@pytest.fixture(scope="module")
def again(call, played):
    return call("run", "complaints", "--home", played.home)


@pytest.fixture(scope="module")
def later(call, tmp_path_factory):
    """A home of its own: two good months, then one of them revised and a file cut short."""
    folder = tmp_path_factory.mktemp("later")
    home, inbox = folder / "home", folder / "inbox"
    inbox.mkdir()
    whole = deliver(inbox, GOOD[0], rows=2 * ROWS).read_text()
    deliver(inbox, GOOD[1], rows=2 * ROWS)
    call("run", "complaints", "--source", inbox, "--home", home, "--json")
    deliver(inbox, GOOD[1], rows=2 * ROWS, seed=1)
    (inbox / "2015-05.csv").write_text(whole[: whole.rindex('"')])
    return call("run", "complaints", "--home", home, "--json")


class TestASourceWithABadMonth:
    def test_is_run_but_for_what_was_refused(self, played):
        facts = played.first.facts

        assert played.first.exit_code == 3
        assert [each["name"] for each in facts["refused"]] == [BAD]
        assert "30 of 120 rows were quarantined" in facts["refused"][0]["why"]
        assert facts["failures"] == []

    def test_loses_no_row(self, played):
        parts = played.first.facts["partitions"]

        assert {each["partition"]: each["rows_in"] for each in parts} == dict.fromkeys(
            MONTHS, ROWS
        )
        for each in parts:
            assert each["rows_in"] == each["rows_valid"] + each["rows_quarantined"]

    def test_makes_a_champion_that_is_measured_beside_the_baseline(self, played):
        model = played.first.facts["model"]

        assert {each["name"] for each in model["competitors"]} == {"logistic", "sgd"}
        assert model["metrics"]["baseline"]["roc_auc"] == 0.5
        assert 0 < model["metrics"]["test"]["roc_auc"] < 1
        assert model["version"] in model["decision"]
        assert model["is_new"] is True


class TestTheSameAgain:
    def test_changes_nothing_and_says_so(self, again, played):
        assert again.exit_code == 3
        assert ", unchanged." in again.out
        assert f"({played.first.facts['model']['version']}), unchanged: nothing" in again.out

    def test_says_where_to_look(self, again, played):
        assert f"ml-assets verdict complaints {BAD} --home {played.home}" in again.out


class TestTheReport:
    def test_is_made_by_a_run_that_is_asked_for_it_and_no_other(self, call, played, tmp_path):
        home = tmp_path / "home"
        shutil.copytree(played.home, home)
        reports = home / "reports"
        shutil.rmtree(reports, ignore_errors=True)

        plain = call("run", "complaints", "--home", home)
        nothing = list(reports.rglob("*.html"))
        asked = call("run", "complaints", "--home", home, "--report")

        assert (plain.exit_code, asked.exit_code) == (3, 3)
        assert nothing == []
        (page,) = (each for each in reports.rglob("*") if each.is_file())
        assert f"Report: {page}" in asked.out.replace("\n", "")


class TestARange:
    def test_is_run_whole_even_when_nothing_waits(self, call, played):
        months = ["--from", GOOD[0], "--to", GOOD[1]]

        called = call("run", "complaints", *months, "--home", played.home, "--json")

        assert called.exit_code == 0
        assert [each["partition"] for each in called.facts["partitions"]] == list(GOOD[:2])

    def test_without_rows_is_an_error(self, call, played):
        called = call("run", "complaints", "--from", "2020-01", "--home", played.home)

        assert called.exit_code == 1
        assert "has no rows of complaints from 2020-01 to now" in called.err
        assert called.out == ""


class TestARepairedMonthAndAFileThatIsCut:
    def test_only_the_revised_month_is_judged(self, later):
        judged = {each["partition"]: each["judged_now"] for each in later.facts["partitions"]}

        assert judged == {GOOD[0]: False, GOOD[1]: True}
        assert later.facts["model"]["is_new"] is True

    def test_the_file_is_refused_and_listed(self, later):
        (refused,) = later.facts["refused"]

        assert later.exit_code == 3
        assert refused["name"] == "2015-05.csv"
        assert "never closed" in refused["why"]


class TestErrors:
    def test_without_a_source(self, call, tmp_path):
        called = call("run", "complaints", "--home", tmp_path)

        assert called.exit_code == 1
        assert called.err == (
            "SourceError: complaints has no source yet. Give one: --source FILE_OR_FOLDER\n"
        )

    def test_of_a_problem_that_there_is_not(self, call, tmp_path):
        called = call("run", "complaint", "--home", tmp_path)

        assert called.exit_code == 1
        assert "Did you mean 'complaints'?" in called.err

    def test_of_a_file_that_there_is_not(self, call, tmp_path):
        called = call("run", "complaints", "--source", tmp_path / "no.csv", "--home", tmp_path)

        assert called.exit_code == 1
        assert "no.csv" in called.err
        assert "Traceback" not in called.err

    def test_of_the_wrong_usage(self, call):
        called = call("run")

        assert called.exit_code == 2
        assert "Missing argument 'PROBLEM'" in called.err

    def test_when_no_model_can_be_trained(self, call, tmp_path):
        deliver(tmp_path, GOOD[0])

        called = call(
            "run",
            "complaints",
            "--source",
            tmp_path / f"{GOOD[0]}.csv",
            "--home",
            tmp_path / "home",
        )

        assert called.exit_code == 1
        assert "FAILED complaints__training_set" in called.out
        assert "needs at least 200 rows, got 120" in called.out
        assert tuple(Home.open(tmp_path / "home").lake.partitions("complaints/features")) == (
            GOOD[0],
        )
