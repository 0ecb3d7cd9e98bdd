from dataclasses import replace

import numpy as np
import pytest

from ml_assets.demo import run_demo
from ml_assets.demo.delivery import deliver_first, deliver_later, delivery_folder, drawn, months
from ml_assets.demo.evidence import LOOK, evidence
from ml_assets.demo.faults import (
    AT_FIRST,
    COPIES,
    CUT,
    LATER,
    SHIFTED,
    cut_inside_a_quote,
    revised,
    with_copies,
)
from ml_assets.demo.loop import LoopOutcome
from ml_assets.demo.story import PROBLEM
from ml_assets.demo.traffic import LETTER, REQUESTS, traffic
from ml_assets.errors import MLAssetsError
from ml_assets.ingestion import register_source
from ml_assets.problem import problem_named
from ml_assets.registry import champion
from ml_assets.storage import Commit, Home

COMMIT = Commit(run_id="by hand", code_hash="none", fingerprint="none")


@pytest.fixture(scope="module")
def complaints():
    return problem_named(PROBLEM)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    home = Home.open(tmp_path_factory.mktemp("demo"), environment={})
    return home, run_demo(home, quiet=True)


class TestDelivery:
    def test_is_24_months_and_later_a_new_one(self, home):
        folder = delivery_folder(home)

        deliver_first(folder)
        first = {path.name for path in folder.iterdir()}
        deliver_later(folder)
        later = {path.name for path in folder.iterdir()} - first

        assert first == {f"complaints_{month}.csv" for month in months("2014-01", "2015-12")}
        assert len(first) == 24
        assert later == {"complaints_2016-01.csv", "complaints_2014-05_corrected.csv"}

    def test_is_the_same_bytes_every_time(self, tmp_path):
        deliver_first(tmp_path / "once")
        deliver_first(tmp_path / "twice")

        for path in (tmp_path / "once").iterdir():
            assert path.read_bytes() == (tmp_path / "twice" / path.name).read_bytes()

    def test_does_not_touch_what_is_there_already(self, tmp_path):
        deliver_first(tmp_path)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

        deliver_first(tmp_path)

        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


class TestFaults:
    def test_a_cut_text_ends_inside_a_quote(self):
        text = cut_inside_a_quote('id,word\n1,"one, two"\n2,"three, four"\n')

        assert text.startswith('id,word\n1,"one, two"\n2,"thr')
        assert text.count('"') % 2 == 1

    def test_copies_have_the_same_ids(self):
        rows = with_copies(drawn("2015-08"))

        assert rows["complaint_id"].duplicated().sum() == COPIES

    def test_a_correction_turns_every_label(self):
        before = drawn("2014-05").set_index("complaint_id")["consumer_disputed"]

        after = revised(drawn("2014-05")).set_index("complaint_id")["consumer_disputed"]

        assert (after != before.loc[after.index]).all()

    def test_the_shifted_month_is_shifted(self):
        shares = [
            (drawn(month)["consumer_disputed"] == "Yes").mean()
            for month in ("2015-03", SHIFTED.month)
        ]

        assert shares[0] == pytest.approx(0.5, abs=0.08)
        assert shares[1] == pytest.approx(0.7, abs=0.08)


class TestTraffic:
    def test_is_the_same_every_time(self, complaints):
        assert traffic(complaints) == traffic(complaints)

    def test_knows_nothing_of_what_will_come_of_it(self, complaints):
        drawn = traffic(complaints)

        assert len(drawn.rows) == len(drawn.labels) == REQUESTS
        assert not any(complaints.target in row for row in drawn.rows)

    def test_ends_in_a_dispute_where_a_form_letter_was_sent(self, complaints):
        drawn = traffic(complaints)

        told = [LETTER in row.get("consumer_complaint_narrative", "") for row in drawn.rows]
        with_letter = [label for label, has in zip(drawn.labels, told, strict=True) if has]
        without = [label for label, has in zip(drawn.labels, told, strict=True) if not has]
        assert np.mean(with_letter) == pytest.approx(0.95, abs=0.02)
        assert np.mean(without) == pytest.approx(0.5, abs=0.05)


class TestLoop:
    @pytest.fixture
    def closed(self):
        return LoopOutcome(
            requests=REQUESTS,
            requests_a_second=400.0,
            logged=REQUESTS,
            labels=REQUESTS,
            batches=("2026-11-24-001",),
            before="1.0.0",
            after="1.1.0",
            decision="It is champion.",
            learned_batches=1,
            swap_seconds=0.5,
            asked_meanwhile=100,
            failed_meanwhile=0,
        )

    def test_is_closed_when_all_of_it_held(self, closed):
        assert closed.closed

    @pytest.mark.parametrize(
        "otherwise",
        [
            {"logged": REQUESTS - 1},
            {"labels": REQUESTS - 1},
            {"batches": ()},
            {"learned_batches": 0},
            {"after": "1.0.0"},
            {"swap_seconds": None},
            {"swap_seconds": 6.0},
            {"failed_meanwhile": 1},
        ],
    )
    def test_is_not_closed_when_one_thing_did_not_hold(self, closed, otherwise):
        assert not replace(closed, **otherwise).closed


def test_every_planted_fault_is_looked_for():
    assert set(LOOK) == {*AT_FIRST, *LATER}


def test_nothing_is_caught_where_nothing_was_done(complaints, home):
    found = evidence(complaints, home, (*AT_FIRST, *LATER))

    assert [each.caught for each in found] == [False] * 7


def test_refuses_a_home_with_complaints_of_somebodys_own(complaints, home, tmp_path):
    (tmp_path / "own").mkdir()
    register_source(complaints, home, tmp_path / "own")

    with pytest.raises(MLAssetsError, match="the demo would mix its generated ones with them"):
        run_demo(home, quiet=True)


@pytest.mark.slow
class TestTheWholeDemo:
    def test_catches_every_fault(self, played):
        _, outcome = played

        assert {each.fault: each.by for each in outcome.evidence if not each.caught} == {}
        assert outcome.all_caught

    def test_closes_the_loop_from_requests_to_the_next_champion(self, played, complaints):
        home, outcome = played

        loop = outcome.loop
        answering = champion(complaints, home)
        assert (loop.requests, loop.logged, loop.labels) == (2_000, 2_000, 2_000)
        assert (loop.before, loop.after) == (outcome.first.model.number, answering.number)
        assert answering.trigger == "feedback"
        assert loop.asked_meanwhile > loop.failed_meanwhile == 0
        assert outcome.all_held

    def test_refuses_what_it_should_and_nothing_else(self, played):
        _, outcome = played

        assert {each.name for each in outcome.first.refused} == {
            "2015-04",
            "2015-06",
            "2015-10",
            f"complaints_{CUT.month}.csv",
        }
        assert {each.name for each in outcome.second.refused} == {
            "2015-04",
            "2015-06",
            "2015-10",
        }

    def test_runs_only_what_changed_the_second_time(self, played):
        _, outcome = played

        judged = {each.partition for each in outcome.second.partitions if each.judged_now}
        refused = {"2015-04", "2015-06", "2015-10"}
        assert judged - refused == {"2014-05", "2015-02", "2016-01"}
        assert outcome.second.model.version != outcome.first.model.version

    def test_makes_a_model_that_beats_the_baseline(self, played):
        _, outcome = played

        for run in (outcome.first, outcome.second):
            assert run.model.metrics["test"]["roc_auc"] > 0.65
            assert run.model.metrics["baseline"]["roc_auc"] == 0.5
        assert "is champion" in outcome.first.model.decision
        assert outcome.second.model.decision

    def test_does_not_call_caught_what_got_through(self, played, complaints):
        home, _ = played
        rows = home.lake.read("complaints/validated", partitions=["2015-03"]).drop_columns(
            "partition"
        )
        home.lake.write("complaints/validated", SHIFTED.month, rows, commit=COMMIT)

        (found,) = evidence(complaints, home, (SHIFTED,))

        assert found.caught is False
        home.lake.delete("complaints/validated", SHIFTED.month, commit=COMMIT)

    def test_changes_nothing_when_it_is_played_again(self, played):
        home, outcome = played

        again = run_demo(home, quiet=True)

        assert again.all_held
        assert again.second.unchanged
        assert again.second.model.number == again.loop.after == outcome.loop.after
        assert again.loop.requests == 0
