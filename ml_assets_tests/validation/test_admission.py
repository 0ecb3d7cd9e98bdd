import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.typing import Series

from ml_assets.errors import TableNotFound
from ml_assets.storage import Commit
from ml_assets.validation import admissions
from ml_assets.validation.admission import Held, decide
from ml_assets.validation.summary import added


class Promises(pa.DataFrameModel):
    """A contract without a single rule."""

    complaint_id: Series[str] = pa.Field(nullable=True, metadata={"role": "id"})


def broken_states(df, rows):
    return df.assign(state=["Texas"] * rows + list(df["state"][rows:]))


class TestAGoodPartition:
    def test_is_written_to_validated(self, gate, drawn):
        df = drawn(200)

        admission = gate.both("2015-03", df)

        assert admission.admitted
        assert gate.ids("validated", "2015-03") == list(df["complaint_id"])
        assert gate.ids("quarantined", "2015-03") == []
        assert (admission.rows_in, admission.rows_valid, admission.rows_quarantined) == (
            200,
            200,
            0,
        )
        assert admission.sentence == "2015-03 admitted: 200 rows valid, 0 quarantined."

    def test_leaves_its_few_broken_rows_in_quarantine_with_their_reasons(self, gate, drawn):
        df = broken_states(drawn(200), 10)

        admission = gate.both("2015-03", df)

        assert admission.admitted
        assert gate.ids("quarantined", "2015-03") == list(df["complaint_id"][:10])
        assert gate.ids("validated", "2015-03") == list(df["complaint_id"][10:])
        rows = gate.home.lake.read("complaints/quarantined", partitions=["2015-03"])
        assert set(rows["reasons"].to_pylist()) == {
            "state: str_matches('^([A-Z]{2}|UNITED STATES MINOR OUTLYING ISLANDS)$')"
        }

    def test_says_which_code_and_content_it_was_made_from(self, gate, drawn):
        admission = gate.both("2015-03", drawn(50), run_id="nightly")

        commit = gate.home.lake.history("complaints/validated")[0]
        assert (commit.run_id, commit.fingerprint) == ("nightly", admission.fingerprint)
        assert commit.content_hash == admission.state.content_hash

    def test_leaves_quarantine_once_its_rows_are_repaired(self, gate, drawn):
        df = drawn(200)
        gate.both("2015-03", broken_states(df, 10))

        gate.both("2015-03", df)

        assert gate.ids("quarantined", "2015-03") == []
        assert len(gate.ids("validated", "2015-03")) == 200


class TestARefusedPartition:
    def test_never_reaches_validated(self, gate, drawn):
        df = broken_states(drawn(200), 11)

        admission = gate.both("2015-03", df)

        assert not admission.admitted
        assert gate.ids("validated", "2015-03") == []
        assert gate.ids("quarantined", "2015-03") == list(df["complaint_id"])
        assert (admission.rows_valid, admission.rows_quarantined) == (0, 200)

    def test_says_how_much_was_wrong_and_what_is_allowed(self, gate, drawn):
        admission = gate.both("2015-03", broken_states(drawn(200), 11))

        assert admission.reasons[0].startswith(
            "11 of 200 rows were quarantined (6%, at most 5% allowed). Most broken: "
            "state: str_matches("
        )

    def test_gives_sound_rows_the_reason_of_the_partition(self, gate, drawn):
        gate.both("2015-03", broken_states(drawn(200), 11))

        rows = gate.home.lake.read("complaints/quarantined", partitions=["2015-03"])
        reasons = rows["reasons"].to_pylist()
        assert [each.startswith("state: str_matches") for each in reasons].count(True) == 11
        assert reasons[-1].startswith("the partition was refused: 11 of 200 rows")

    def test_is_refused_again_whenever_it_is_asked_for(self, gate, drawn):
        gate.both("2015-03", broken_states(drawn(200), 11))

        again = [gate.admit("2015-03", run_id=run) for run in ("later", "sensor", "backfill")]

        assert not any(admission.admitted for admission in again)
        assert gate.ids("validated", "2015-03") == []

    def test_keeps_the_earlier_admitted_rows_when_it_is_a_revision(self, gate, drawn):
        good = drawn(200)
        first = gate.both("2015-03", good)

        revised = gate.both("2015-03", broken_states(drawn(300), 100))

        assert not revised.admitted
        assert revised.state == first.state
        assert gate.ids("validated", "2015-03") == list(good["complaint_id"])
        assert len(gate.ids("quarantined", "2015-03")) == 300

    def test_is_admitted_once_it_is_repaired(self, gate, drawn):
        df = drawn(200)
        gate.both("2015-03", broken_states(df, 100))

        admission = gate.both("2015-03", df)

        assert admission.admitted
        assert not admission.unchanged

    def test_may_have_broken_no_rule_but_have_too_few_rows(self, gate, drawn, with_config):
        gate.ingest("2015-03", drawn(9))

        admission = gate.admit("2015-03", problem=with_config(gate={"min_rows": 10}))

        assert admission.reasons == ("It has 9 valid rows; gate.min_rows is 10.",)

    def test_is_one_whose_gate_ran_no_check(self, complaints, now):
        held = Held(
            rows_in=20,
            rows_valid=20,
            rules=0,
            broken=(),
            schema_failures=(),
            statistics=added([]),
        )

        decision = decide(replace(complaints, contract=Promises), held, None, now=now)

        assert " ".join(decision.reasons) == (
            "No rule was asked of its 20 rows, and a gate that ran no check is a failed gate. "
            "Give the contract Promises at least one rule."
        )

    def test_is_one_of_which_the_source_could_give_no_row_whole(self, gate, drawn):
        gate.ingest("2015-03", drawn(3), faults=["ragged: 3 fields, 18 expected"] * 3)

        admission = gate.admit("2015-03")

        assert admission.reasons[0].endswith("The source could not give one of them whole.")
        assert gate.ids("validated", "2015-03") == []

    def test_is_one_with_rows_that_have_no_place(self, gate, drawn):
        df = drawn(20).assign(date_received="some day")

        admission = gate.both("unplaced", df)

        assert not admission.admitted
        assert admission.broken[0].rule == "date_received: is not a time"
        assert len(gate.ids("quarantined", "unplaced")) == 20


class TestAnEmptyPartition:
    def test_is_refused(self, gate, drawn):
        admission = gate.both("2015-03", drawn(0))

        assert admission.reasons == ("It has no rows.",)

    def test_takes_rows_that_moved_elsewhere_out_of_validated(self, gate, drawn):
        gate.both("2015-03", drawn(20))

        gate.both("2015-03", drawn(0))

        assert gate.ids("validated", "2015-03") == []


def test_a_partition_that_was_never_ingested_is_an_error(gate, drawn):
    gate.ingest("2015-03", drawn(5))

    with pytest.raises(TableNotFound, match="complaints/raw has no partition 2015-04"):
        gate.admit("2015-04")


class TestTheSecondTime:
    def test_nothing_is_done_when_nothing_changed(self, gate, drawn):
        first = gate.both("2015-03", broken_states(drawn(200), 5))
        versions = [
            gate.home.lake.version(f"complaints/{n}") for n in ("validated", "quarantined")
        ]

        second = gate.admit("2015-03", run_id="again")

        assert second == replace(first, unchanged=True)
        assert versions == [
            gate.home.lake.version(f"complaints/{n}") for n in ("validated", "quarantined")
        ]

    def test_one_changed_label_is_enough_to_decide_anew(self, gate, drawn):
        df = drawn(200)
        first = gate.both("2015-03", df)
        df.loc[7, "consumer_disputed"] = {"Yes": "No", "No": "Yes"}[
            df.loc[7, "consumer_disputed"]
        ]

        second = gate.both("2015-03", df)

        assert not second.unchanged
        assert second.state.content_hash != first.state.content_hash

    def test_a_changed_limit_is_enough(self, gate, drawn, with_config):
        gate.both("2015-03", broken_states(drawn(200), 5))

        second = gate.admit("2015-03", problem=with_config(gate={"max_quarantine_rate": 0.01}))

        assert not second.admitted

    def test_an_unrelated_value_is_not(self, gate, drawn, with_config):
        gate.both("2015-03", drawn(200))

        second = gate.admit("2015-03", problem=with_config(training={"seed": 7}))

        assert second.unchanged

    @pytest.mark.parametrize("noun", ["validated", "quarantined"])
    def test_rows_that_are_gone_are_written_again(self, gate, drawn, noun):
        gate.both("2015-03", broken_states(drawn(200), 5))
        ids = gate.ids(noun, "2015-03")
        commit = Commit(run_id="accident", code_hash="", fingerprint="")
        gate.home.lake.delete(f"complaints/{noun}", "2015-03", commit=commit)

        second = gate.admit("2015-03")

        assert not second.unchanged
        assert gate.ids(noun, "2015-03") == ids

    def test_a_revised_earlier_month_makes_no_later_one_stale(self, gate, drawn):
        for number, month in enumerate(("2015-01", "2015-02", "2015-03")):
            gate.both(month, drawn(200, month=month, first_id=1 + number * 1_000))
        gate.both("2015-01", drawn(150, month="2015-01", seed=1))

        assert gate.admit("2015-03").unchanged


class TestTheReference:
    def months(self, gate, drawn, months, rows=60):
        for number, month in enumerate(months):
            df = drawn(rows, month=month, seed=number, first_id=1 + number * 1_000)
            yield month, gate.both(month, df)

    def test_is_the_partitions_admitted_before(self, gate, drawn):
        months = ("2015-01", "2015-02", "2015-03")

        references = {m: a.reference for m, a in self.months(gate, drawn, months)}

        assert references == {
            "2015-01": (),
            "2015-02": ("2015-01",),
            "2015-03": ("2015-01", "2015-02"),
        }

    def test_is_not_the_future(self, gate, drawn):
        references = dict(self.months(gate, drawn, ("2015-03", "2015-01")))

        assert references["2015-01"].reference == ()

    def test_leaves_refused_partitions_out(self, gate, drawn):
        gate.both("2015-01", broken_states(drawn(60, month="2015-01"), 30))

        assert gate.both("2015-02", drawn(60, month="2015-02")).reference == ()

    def test_reaches_no_further_back_than_configured(self, gate, drawn, with_config):
        list(self.months(gate, drawn, ("2015-01", "2015-02", "2015-03")))
        gate.ingest("2015-04", drawn(60, month="2015-04"))

        problem = with_config(gate={"reference_partitions": 2})

        assert gate.admit("2015-04", problem=problem).reference == ("2015-02", "2015-03")


class TestAnUnusualClassBalance:
    @pytest.fixture
    def shifted(self, gate, drawn, with_positives):
        """Three months with even labels, then one with 70 of 100 positive."""
        for number, month in enumerate(("2015-01", "2015-02", "2015-03")):
            df = drawn(100, month=month, seed=number, first_id=1 + number * 1_000)
            gate.both(month, with_positives(df, 50))
        gate.ingest("2015-04", with_positives(drawn(100, month="2015-04", first_id=9_000), 70))
        return gate

    def test_shuts_the_gate_and_offers_both_remedies(self, shifted):
        admission = shifted.admit("2015-04")

        assert not admission.admitted
        assert "`imbalance: class_weight`" in admission.reasons[0]
        assert "`imbalance: undersample`" in admission.reasons[0]
        assert shifted.ids("validated", "2015-04") == []

    def test_keeps_it_shut_when_accepted_without_a_remedy(self, shifted, with_config):
        problem = with_config(gate={"accept_imbalance": True})

        assert not shifted.admit("2015-04", problem=problem).admitted

    @pytest.mark.parametrize("remedy", ["class_weight", "undersample"])
    def test_opens_it_when_accepted_with_one(self, shifted, with_config, remedy):
        problem = with_config(gate={"accept_imbalance": True}, training={"imbalance": remedy})

        admission = shifted.admit("2015-04", problem=problem)

        assert admission.admitted
        assert [each.statistic for each in admission.findings] == ["class_balance"]

    def test_of_a_point_is_let_in(self, shifted, drawn, with_positives):
        df = with_positives(drawn(100, month="2015-04", first_id=9_000), 51)

        assert shifted.both("2015-04", df).admitted


class TestTheRecord:
    def test_answers_by_partition_with_the_last_decision(self, gate, complaints, drawn):
        good = drawn(200)
        gate.both("2015-03", good)
        refused = gate.both("2015-03", broken_states(good, 50), run_id="second")
        april = gate.both("2015-04", drawn(50, month="2015-04", first_id=900))

        found = admissions(complaints, gate.home)

        assert found == {
            "2015-03": replace(refused, statistics=None),
            "2015-04": replace(april, statistics=None),
        }

    def test_is_empty_at_first(self, home, complaints):
        assert admissions(complaints, home) == {}


def test_a_partition_larger_than_a_chunk_is_judged_as_one(gate, drawn):
    df = drawn(101_000)
    df.loc[100_990, "complaint_id"] = df.loc[0, "complaint_id"]
    df = pd.concat([df, df.iloc[[5]]], ignore_index=True)

    admission = gate.both("2015-03", df)

    assert (admission.rows_in, admission.rows_valid) == (101_001, 100_998)
    assert {each.rule: each.rows for each in admission.broken} == {
        "complaint_id: is shared by rows that contradict each other": 2,
        "complaint_id: is a copy of an earlier row": 1,
    }
    refused = gate.both("2015-03", df.assign(state="Texas"))
    assert refused.rows_quarantined == len(gate.ids("quarantined", "2015-03")) == 101_001


CELLS = st.one_of(
    st.none(), st.sampled_from(["", "N/A", "Yes", "02/30/2015", "0", "1e400", "Ω" * 400])
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 1_000))
def test_rows_in_are_rows_valid_and_rows_quarantined(gate, drawn, data, seed):
    df = drawn(30, seed=seed)
    for _ in range(data.draw(st.integers(0, 8))):
        column = data.draw(st.sampled_from(list(df.columns)))
        df.loc[data.draw(st.integers(0, 29)), column] = data.draw(CELLS)
    fault = data.draw(st.sampled_from([None, "ragged: 3 fields, 18 expected"]))

    gate.ingest("2015-03", df, faults=[fault] + [None] * 29)
    admission = gate.admit("2015-03", run_id=str(np.random.default_rng(seed).integers(1 << 30)))

    kept = gate.ids("validated", "2015-03") if admission.admitted else []
    broken = gate.ids("quarantined", "2015-03")
    assert admission.rows_in == admission.rows_valid + admission.rows_quarantined == 30
    assert (len(kept), len(broken)) == (admission.rows_valid, admission.rows_quarantined)
    assert sorted(map(str, kept + broken)) == sorted(
        str(_none(each)) for each in df["complaint_id"]
    )


def _none(cell):
    return None if pd.isna(cell) else cell


def test_the_age_of_the_events_is_judged_when_they_arrive(gate, drawn, with_config):
    gate.ingest("2015-03", drawn(20))

    admission = gate.admit("2015-03", problem=with_config(gate={"freshness_days": 30}))

    assert admission.admitted
    assert [each.statistic for each in admission.findings] == ["freshness"]
    assert admission.at == gate.now
    assert admission.at - dt.timedelta(days=30) > dt.datetime(2015, 4, 1, tzinfo=dt.UTC)
