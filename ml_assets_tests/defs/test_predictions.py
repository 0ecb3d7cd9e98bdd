"""The champion's answers to whole partitions: by the one path, kept, and open to feedback."""

import datetime as dt

import dagster as dg
import pytest
from answering import say
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest
from quick import COMPLAINTS, GOOD, LOOP, declared_with, definitions_on, deliver, key_of

from ml_assets.defs.resources import utc_now
from ml_assets.defs.runs import instance_of, run_here, tick_here
from ml_assets.feedback import predictions_by_id
from ml_assets.inference import load_predictor
from ml_assets.ingestion import sources
from ml_assets.registry import champion, ensure_model, versions
from ml_assets.registry.releases import add_release
from ml_assets.storage import Commit

JOB = "complaints_predict"
OTHERWISE = declared_with(
    LOOP,
    training={"estimators": {"logistic": {"kind": "logistic", "hyperparameters": {"C": 0.01}}}},
)
"""The same, from which another model is made."""

ANEW = {"ops": {"complaints__predictions": {"config": {"anew": True}}}}


def predict(home, *months, declared=LOOP, **how):
    run = run_here(definitions_on(home, declared), JOB, home=home, partitions=months, **how)
    assert run.failures == ()
    return run


def answers(home, month):
    rows = home.lake.read("complaints/predictions", partitions=[month])
    return {row["complaint_id"]: row for row in rows.to_pylist()}


def move_champion(home):
    """Release another model."""
    problem = LOOP.load()
    before = champion(problem, home)
    other = ensure_model(OTHERWISE.load(), home, now=utc_now(), run_id="other")
    add_release(
        problem,
        home,
        kind="forced",
        from_version=before.version,
        to_version=other.version,
        now=utc_now(),
        who="test",
        why="test",
        run_id="test",
        evidence={},
    )
    return before, other


def test_are_those_of_the_embedded_model(opened):
    predict(opened, *GOOD)

    for month in GOOD:
        rows = opened.lake.read("complaints/validated", partitions=[month])
        expected = load_predictor(LOOP.load(), opened).predict(rows)
        found = answers(opened, month)
        assert len(found) == len(rows)
        assert [found[id_]["prediction"] for id_ in rows["complaint_id"].to_pylist()] == (
            pytest.approx([each.value for each in expected], abs=1e-12)
        )


def test_are_in_the_prediction_log_and_nobody_has_seen_them(opened):
    predict(opened, GOOD[0])

    found = answers(opened, GOOD[0])
    logged = predictions_by_id(
        LOOP.load(), opened, [row["prediction_id"] for row in found.values()]
    )
    assert len(logged) == len(found)
    assert not any(each.exposed for each in logged.values())


def test_a_row_without_an_answer_is_set_aside_with_its_reason(opened):
    rows = opened.lake.read("complaints/validated", partitions=[GOOD[0]]).drop_columns(
        "partition"
    )
    broken = rows.set_column(
        rows.column_names.index("state"),
        rows.schema.field("state"),
        [["Texas", *rows["state"].to_pylist()[1:]]],
    )
    commit = Commit(run_id="by hand", code_hash="none", fingerprint="none")
    opened.lake.write("complaints/validated", GOOD[0], broken, commit=commit)

    predict(opened, GOOD[0])

    aside = opened.lake.read("complaints/predictions_quarantined").to_pylist()
    assert len(answers(opened, GOOD[0])) + len(aside) == len(rows)
    assert [row["reasons"].partition(":")[0] for row in aside] == ["state"]


def test_stay_when_the_champion_moves_and_are_shown_as_stale(opened):
    predict(opened, GOOD[0])
    first = answers(opened, GOOD[0])
    before, after = move_champion(opened)

    predict(opened, GOOD[0])

    assert answers(opened, GOOD[0]) == first
    assert {row["model_version"] for row in first.values()} == {before.version}
    assert said(opened, GOOD[0])["champion"].value == before.version
    assert after.version != before.version


def test_are_given_anew_when_a_person_asks_for_it(opened):
    predict(opened, GOOD[0])
    _, after = move_champion(opened)

    predict(opened, GOOD[0], run_config=ANEW)

    found = answers(opened, GOOD[0])
    assert {row["model_version"] for row in found.values()} == {after.version}


def said(home, month):
    """What is shown beside a partition."""
    where = dg.AssetRecordsFilter(asset_key=key_of("predictions"), asset_partitions=[month])
    with instance_of(home.path) as instance:
        (record,) = instance.fetch_materializations(where, limit=1).records
    return record.asset_materialization.metadata


def test_are_stale_in_dagster_once_another_version_answers(opened):
    definitions = definitions_on(opened, LOOP)
    run_here(definitions, "complaints_retrain", home=opened)
    predict(opened, GOOD[0])
    fresh = status(opened, definitions)
    move_champion(opened)

    run_here(definitions_on(opened, OTHERWISE), "complaints_retrain", home=opened)

    assert (fresh, status(opened, definitions)) == ("FRESH", "STALE")


def status(home, definitions):
    """What Dagster says of the predictions of the first month."""
    with instance_of(home.path) as instance:
        resolver = CachingStaleStatusResolver(
            instance, definitions.resolve_asset_graph(), LoadingContextForTest(instance)
        )
        return resolver.get_status(key_of("predictions"), GOOD[0]).value


def test_become_labels_that_a_model_learns(opened):
    problem = LOOP.load()
    predict(opened, GOOD[0])
    found = answers(opened, GOOD[0])

    labels = {row["prediction_id"]: True for row in found.values()}
    say(problem, opened, labels, at=utc_now())
    (run,) = tick_here(definitions_on(opened, LOOP), "complaints_feedback", home=opened).runs

    assert run.failures == ()
    assert len(versions(problem, opened)[-1].manifest.data.feedback) == 1
    assert versions(problem, opened)[-1].trigger == "feedback"


class TestSensor:
    @pytest.fixture
    def last_month(self, opened):
        """A month whose labels are too young to learn from, brought in."""
        month = (utc_now().replace(day=1) - dt.timedelta(days=1)).strftime("%Y-%m")
        (inbox,) = sources(COMPLAINTS.load(), opened)
        path = deliver(inbox, month)
        run = run_here(
            definitions_on(opened, COMPLAINTS),
            "complaints_refresh",
            home=opened,
            partitions=[month],
        )
        path.unlink()
        assert run.failures == ()
        return month

    def look(self, home):
        return tick_here(definitions_on(home, COMPLAINTS), "complaints_predictions", home=home)

    def test_asks_for_the_partitions_that_are_new_to_the_champion(self, opened, last_month):
        (run,) = self.look(opened).runs
        again = self.look(opened)

        assert run.failures == ()
        assert list(opened.lake.partitions("complaints/predictions")) == [last_month]
        assert again.reason == (
            "Every partition of complaints that is new to the champion is answered."
        )
