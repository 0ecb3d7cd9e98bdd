"""What is made anew, and what is left alone; decided by contents, for any number of partitions."""

from typing import NamedTuple

import dagster as dg
import numpy as np
import pytest
from loans import LOANS, admit, draw, with_config
from quick import BAD, BROKEN_ROWS, COMPLAINTS, GOOD, MONTHS, definitions_on

from ml_assets.defs.runs import QUIET
from ml_assets.features import materialize_partitions
from ml_assets.problem import Declared
from ml_assets.registry import ModelVersion, champion, versions
from ml_assets.storage import PartitionState

NOUNS = ("raw", "validated", "quarantined", "profile", "features", "training_set")


class Standing(NamedTuple):
    """Where a deployment stands after a run."""

    run: dg.ExecuteInProcessResult
    partitions: dict[str, dict[str, PartitionState]]
    commits: dict[str, int]
    models: list[ModelVersion]
    champion: str
    shown: tuple[str, ...]
    verdicts: dict[str, str]


def stands(deployment, run):
    problem, home = COMPLAINTS.load(), deployment.home
    return Standing(
        run=run,
        partitions={noun: home.lake.partitions(f"complaints/{noun}") for noun in NOUNS},
        commits={noun: home.lake.version(f"complaints/{noun}") for noun in NOUNS},
        models=versions(problem, home),
        champion=champion(problem, home).version,
        shown=deployment.shown("features"),
        verdicts=deployment.verdicts(),
    )


def refreshed(deployment):
    """Run the whole chain over all months; where it stands afterwards."""
    run = deployment.refresh(MONTHS)
    return stands(deployment, run)


@pytest.fixture(scope="module")
def story(deployed):
    """A bad month is refused; the same again; the file is repaired."""
    with deployed() as deployment:
        deployment.deliver(*GOOD)
        deployment.deliver(BAD, broken=BROKEN_ROWS)
        refused = refreshed(deployment)
        again = refreshed(deployment)
        deployment.deliver(BAD)
        yield refused, again, refreshed(deployment)


class TestTheSameAgain:
    def test_writes_nothing(self, story):
        refused, again, _ = story

        assert again.commits == refused.commits
        assert again.partitions == refused.partitions

    def test_trains_nothing(self, story):
        refused, again, _ = story

        assert len(again.models) == len(refused.models) == 1
        assert shown_of(again.run, "model")["unchanged"].value is True
        assert again.champion == refused.champion

    def test_is_refused_again(self, story):
        refused, again, _ = story

        assert not refused.run.success
        assert not again.run.success
        assert again.verdicts[BAD] == "FAILED"


class TestTheRepairedMonth:
    def test_goes_all_the_way(self, story):
        *_, repaired = story

        assert repaired.run.success
        assert repaired.verdicts == dict.fromkeys(MONTHS, "SUCCEEDED")
        assert repaired.shown == tuple(repaired.partitions["features"]) == MONTHS

    @pytest.mark.parametrize("noun", ["raw", "validated", "profile", "features"])
    def test_is_rebuilt_alone(self, story, noun):
        _, before, after = story

        assert after.commits[noun] == before.commits[noun] + 1
        assert after.partitions[noun][BAD] != before.partitions[noun].get(BAD)
        for month in GOOD:
            assert after.partitions[noun][month] == before.partitions[noun][month]

    def test_is_no_longer_quarantined(self, story):
        _, before, after = story

        assert BAD in before.partitions["quarantined"]
        assert BAD not in after.partitions["quarantined"]

    def test_gives_a_new_model(self, story):
        _, before, after = story

        (old,) = before.models
        (new,) = [each for each in after.models if each.version != old.version]
        assert new.training_fingerprint != old.training_fingerprint
        assert set(old.manifest.data.partitions) == set(GOOD)
        assert set(new.manifest.data.partitions) == set(MONTHS)
        assert shown_of(after.run, "model")["unchanged"].value is False


def shown_of(run, noun):
    """Metadata of the one materialization of an asset in a run."""
    (found,) = run.asset_materializations_for_node(f"complaints__{noun}")
    return found.metadata


DAYS = 500
ROWS_A_DAY = 3


@pytest.fixture(scope="module")
def daily():
    """A small problem that is cut by day."""
    return with_config(
        LOANS,
        partitions={"grain": "daily"},
        training={"estimators": {"logistic": {"kind": "logistic"}}},
        promotion={"resamples": 100},
    )


@pytest.fixture(scope="module")
def applications():
    rows = draw(DAYS * ROWS_A_DAY, np.random.default_rng(0), months=-(-DAYS // 30))
    days = rows["applied_at"].drop_duplicates().nlargest(DAYS)
    return rows[rows["applied_at"].isin(days)].reset_index(drop=True)


@pytest.fixture(scope="module")
def many(deployed, daily, applications):
    """A deployment with features of hundreds of days and a model of them; and how to retrain."""
    with deployed() as deployment:
        job = definitions_on(deployment.home, Declared.of(daily)).resolve_job_def(
            "loans_retrain"
        )

        def retrain():
            run = job.execute_in_process(
                instance=deployment.instance, run_config=QUIET, raise_on_error=False
            )
            assert run.success
            return versions(daily, deployment.home)

        admitted(daily, deployment.home, applications)
        retrain()
        yield deployment.home, retrain


def admitted(problem, home, rows):
    """Write rows to `validated`, and features of the days that are in them."""
    list(materialize_partitions(problem, home, admit(problem, home, rows), run_id="r"))


@pytest.mark.slow
class TestFiveHundredPartitions:
    def test_are_all_learned_from(self, many, daily):
        home, _ = many

        (first, *_) = versions(daily, home)

        assert len(first.manifest.data.partitions) > DAYS * 0.9
        assert set(first.manifest.data.partitions) == set(
            home.lake.partitions("loans/features")
        )

    def test_train_nothing_when_nothing_changed(self, many, daily):
        home, retrain = many
        before = versions(daily, home)

        assert retrain() == before

    def test_make_a_deleted_artifact_again(self, many, daily):
        home, retrain = many
        *_, newest = versions(daily, home)
        home.artifacts.delete(newest.artifact)

        after = retrain()

        assert after[-1] == newest
        assert home.artifacts.exists(newest.artifact)

    def test_train_anew_when_one_label_changed(self, many, daily, applications):
        home, retrain = many
        *_, before = versions(daily, home)
        row = applications.index[len(applications) // 2]
        day = applications["applied_at"][row]
        flipped = applications[applications["applied_at"] == day].copy()
        flipped.loc[row, "repaid"] = not flipped.loc[row, "repaid"]

        admitted(daily, home, flipped)
        *_, after = retrain()

        assert after.training_fingerprint != before.training_fingerprint
        old, new = before.manifest.data.partitions, after.manifest.data.partitions
        assert {name for name in new if new[name] != old[name]} == {f"{day:%Y-%m-%d}"}
