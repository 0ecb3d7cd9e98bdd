"""Commands that print facts, on a home that was run once."""

import csv
import socket
import subprocess
import sys

import pytest
from quick import BAD, BROKEN_ROWS, GOOD, ROWS

HEAVY = ["dagster", "pandas", "sklearn", "pyarrow", "duckdb", "sqlalchemy"]


@pytest.fixture
def ask(call, played):
    """Call a command on the home that was run."""
    return lambda *arguments: call(*arguments, "--home", played.home)


class TestStatus:
    def test_lists_tables_refusals_and_the_champion(self, ask, played):
        (found,) = [
            each
            for each in ask("status", "--json").facts["problems"]
            if each["problem"] == "complaints"
        ]

        tables = {each["table"]: each for each in found["tables"]}
        assert tables["complaints/validated"]["partitions"] == len(GOOD)
        assert tables["complaints/validated"]["rows"] == len(GOOD) * ROWS
        assert tables["complaints/raw"]["newest"] == "2015-04"
        assert [each["name"] for each in found["refused"]] == [BAD]
        assert found["champion"] == played.first.facts["model"]["champion"]
        assert found["sources"] == [str(played.inbox)]
        assert found["waiting"] == []

    def test_says_it_to_people(self, ask):
        called = ask("status")

        assert called.exit_code == 0
        assert f"{BAD} 30 of {ROWS} rows were quarantined" in called.words
        assert "Champion: 1.0.0" in called.out

    def test_of_an_empty_home_says_how_to_begin(self, call, tmp_path):
        called = call("status", "--home", tmp_path)

        assert called.exit_code == 0
        assert "nobody answers yet" in called.out
        assert "ml-assets run complaints --source FILE_OR_FOLDER" in called.out


class TestVerdict:
    def test_gives_the_reason_the_rules_and_some_rows(self, ask):
        facts = ask("verdict", "complaints", BAD, "--json").facts

        assert facts["admitted"] is False
        assert facts["rows_in"] == facts["rows_quarantined"] == ROWS
        (broken,) = facts["broken"]
        assert broken["rows"] == BROKEN_ROWS
        assert "Texas" in broken["examples"][0]
        assert len(facts["rows"]) == 10

    def test_of_a_good_month_is_short(self, ask):
        called = ask("verdict", "complaints", GOOD[0])

        assert f"{GOOD[0]} admitted: {ROWS} rows valid, 0 quarantined." in called.out
        assert f"{ROWS} rows in = {ROWS} valid + 0 quarantined" in called.out

    def test_of_a_month_that_was_never_judged_is_an_error(self, ask):
        called = ask("verdict", "complaints", "2020-01")

        assert called.exit_code == 1
        assert "no verdict about 2020-01. The newest judged: 2015-01" in called.err


class TestSQL:
    def test_reads_every_table(self, ask):
        called = ask("sql", "select count(*) as rows from complaints.validated", "--json")

        assert called.facts == [{"rows": len(GOOD) * ROWS}]

    def test_prints_csv_that_can_be_read_again(self, ask):
        query = "select partition, count(*) as rows from complaints.raw group by 1 order by 1"

        lines = list(csv.reader(ask("sql", query, "--csv").out.splitlines()))

        assert lines[0] == ["partition", "rows"]
        assert lines[1:] == [[month, str(ROWS)] for month in sorted([*GOOD, BAD])]

    def test_shows_people_no_more_than_they_read(self, ask):
        called = ask("sql", "select * from range(1000)")

        assert "1,000 rows" in called.out
        assert "The first 50 are shown" in called.out

    def test_says_which_tables_there_are_when_it_cannot_answer(self, ask):
        called = ask("sql", "select * from complaints.nothing")

        assert called.exit_code == 1
        assert "Table with name nothing does not exist" in called.err
        assert "complaints.validated" in called.err
        assert "Traceback" not in called.err


class TestModelsAndReleases:
    def test_list_the_model_with_its_metrics(self, ask, played):
        (model,) = ask("models", "complaints", "--json").facts

        assert model["version"] == played.first.facts["model"]["version"]
        assert model["is_champion"] is (played.first.facts["model"]["champion"] is not None)
        assert model["partitions"] == len(GOOD)
        assert model["excluded"] == 1
        assert model["metrics"] == played.first.facts["model"]["metrics"]["test"]
        assert model["path"] == "direct"

    def test_are_tables_for_people(self, ask):
        assert "1.0.0" in ask("models", "complaints").out
        assert ask("releases", "complaints").exit_code == 0

    def test_show_who_released_what_and_why(self, ask):
        (release,) = ask("releases", "complaints", "--json").facts

        assert release["kind"] == "promotion"
        assert release["from_version"] is None
        assert "is above the baseline's" in release["why"]

    def test_of_a_problem_without_any_say_so(self, call, tmp_path):
        assert "none yet" in call("models", "complaints", "--home", tmp_path).out
        assert "none yet" in call("releases", "complaints", "--home", tmp_path).out


class TestPromoteAndRollback:
    def test_the_champion_is_champion_already(self, ask):
        called = ask("promote", "complaints", "1.0.0")

        assert called.exit_code == 0
        assert "is already champion." in called.out

    def test_an_unknown_version_is_an_error(self, ask):
        called = ask("promote", "complaints", "9.9.9")

        assert called.exit_code == 1
        assert "complaints has no model '9.9.9'" in called.err

    def test_there_is_nothing_to_roll_back_to(self, ask):
        called = ask("rollback", "complaints", "--why", "a test")

        assert called.exit_code == 1
        assert "is the first that answers" in called.err


class TestHelp:
    @pytest.mark.parametrize(
        "command",
        [[], ["run"], ["compare"], ["sql"], ["demo"], ["serve"], ["keys", "add"], ["feedback"]],
    )
    def test_imports_none_of_the_libraries_that_do_the_work(self, command):
        code = (
            "import sys; from ml_assets.cli import main\n"
            f"sys.argv = ['ml-assets', *{command}, '--help']\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            f"print('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
        )

        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )

        assert told.stdout.splitlines()[-1] == "loaded:"

    def test_of_every_command_says_what_it_does(self, call):
        listed = call("--help").words

        for word in (
            "run",
            "status",
            "verdict",
            "models",
            "releases",
            "sql",
            "compare",
            "serve",
            "feedback",
            "ui",
            "demo",
        ):
            assert word in listed
            assert "--home" in call(word, "--help").out


class TestUI:
    @pytest.mark.parametrize("option", ["--port", "--service-port"])
    def test_refuses_a_port_that_is_taken(self, call, tmp_path, option):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            free = {"--port": 0, "--service-port": 0} | {option: port}

            called = call(
                "ui", *(each for pair in free.items() for each in pair), "--home", tmp_path
            )

        assert called.exit_code == 1
        assert (
            f"Port {port} of 127.0.0.1 is taken. Choose another: ml-assets ui {option}"
            in called.err
        )


class TestAnalyse:
    def test_measures_the_champion_whole(self, ask):
        facts = ask("analyse", "complaints", "--json").facts

        assert facts["metrics"][0]["name"] == "roc_auc"
        assert facts["metrics"][0]["low"] < facts["metrics"][0]["value"]
        assert {one["attribute"] for one in facts["fairness"]} == {"tags"}
        assert facts["protection"]["faults"] == []
        assert len(facts["importance"]["features"]) == 12

    def test_says_it_to_people_section_by_section(self, ask):
        called = ask("analyse", "complaints", "--section", "slices", "--section", "importance")

        assert "Benjamini-Hochberg over" in called.words
        assert "Shares of the score, exactly" in called.words
        assert "Groups of tags" not in called.words

    def test_slices_by_what_a_person_asks(self, ask):
        facts = ask("analyse", "complaints", "--by", "product*state,tags", "--json").facts

        assert {tuple(one["columns"]) for one in facts["slices"]} <= {
            ("product", "state"),
            ("tags",),
        }

    def test_names_the_sections_there_are(self, ask):
        called = ask("analyse", "complaints", "--section", "shares")

        assert called.exit_code == 1
        assert "There is no section shares; there are metrics, threshold" in called.err


class TestReport:
    def test_is_written_beside_the_home(self, ask, played):
        called = ask("report", "complaints")

        (file,) = (played.home / "reports" / "complaints").iterdir()
        assert called.exit_code == 0
        assert file.name in called.out.replace("\n", "")
        assert "<h2>Model card</h2>" in file.read_text()

    def test_goes_where_a_person_wants_it(self, ask, tmp_path):
        file = tmp_path / "there" / "page.html"

        assert ask("report", "complaints", "--version", "1.0.0", "--to", file).exit_code == 0
        assert "complaints 1.0.0" in file.read_text()

    def test_has_the_same_facts_for_programs(self, ask):
        facts = ask("report", "complaints", "--json").facts

        assert (
            facts["card"]["purpose"]["kpi"] == facts["analysis"]["kpi"]["metric"] == "roc_auc"
        )
        assert facts["timeline"][-1]["answered"][0]["until"] is None
        assert {one["check"] for one in facts["findings"]} >= {"floor", "beats the baseline"}

    def test_tells_of_every_version_when_it_answered(self, ask):
        (version,) = ask("models", "complaints", "--json").facts

        assert version["kpi_interval"][0] < version["metrics"]["roc_auc"]
        assert version["answered"][0]["kind"] == "promotion"


class TestWhatIf:
    ROW = '{"date_received": "2015-03-02", "issue": "Other", "state": "CA", "product": "Mortgage"}'

    def test_shows_both_answers(self, ask, tmp_path):
        file = tmp_path / "row.json"
        file.write_text(self.ROW)

        facts = ask("whatif", "complaints", "--row", file, "--set", "state=TX", "--json").facts

        assert facts["changes"] == [{"field": "state", "before": "CA", "after": "TX"}]
        assert facts["difference"] == pytest.approx(facts["after"] - facts["before"])

    def test_finds_the_nearest_row_or_says_that_there_is_none(self, ask, tmp_path):
        file = tmp_path / "row.json"
        file.write_text(self.ROW)
        ask_nearest = ("whatif", "complaints", "--row", file, "--nearest", "--field", "state")

        none, some = (
            ask(*ask_nearest, "--target", target) for target in ("0.999999", "0.000001")
        )

        assert none.exit_code == 3
        assert "turns the answer" in none.words
        assert some.exit_code == 3  # it is above that already, and no state brings it below

    def test_needs_a_row_and_something_to_change(self, ask, tmp_path):
        file = tmp_path / "row.json"
        file.write_text(self.ROW)

        assert "Say which row" in ask("whatif", "complaints", "--set", "state=TX").err
        assert "nothing to change" in ask("whatif", "complaints", "--row", file).err
