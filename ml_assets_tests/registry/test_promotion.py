import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sklearn.dummy import DummyClassifier

from ml_assets.errors import NotPromotable
from ml_assets.registry import tables
from ml_assets.registry.gate import Finding

MIDDLING, POOR = ["state"], ["noise", "state"]


@pytest.fixture
def decisions(home):
    """Read the recorded decisions."""

    def read():
        with home.store.connect() as connection:
            return connection.execute(sa.select(tables.decisions)).mappings().all()

    return read


def test_promotes_a_first_model_that_beats_the_baseline(world):
    version = world.fit()

    decision = world.consider(version)

    assert decision.promoted
    assert decision.outcome == "promoted"
    assert world.champion() == version
    assert "is above the baseline's 0.50 (difference +0." in decision.message


def test_refuses_a_first_model_that_does_not(world):
    decision = world.consider(world.fit(["noise"]))

    assert not decision.promoted
    assert world.champion() is None
    with pytest.raises(
        NotPromotable, match=r"stays challenger: roc_auc 0\.\d+ is below the floor 0\.55"
    ):
        decision.require()


def test_refuses_a_constant_model(world):
    constant = world.fit(model=DummyClassifier(strategy="prior"))

    decision = world.consider(constant)

    assert "stays challenger: it answers 0." in decision.message
    assert "for every row" in decision.message
    assert world.champion() is None


def test_promotes_a_better_challenger(world):
    first, better = world.fit(MIDDLING), world.fit()
    world.consider(first, reason="to begin with")

    decision = world.consider(better, days=2)

    assert decision.outcome == "promoted"
    assert decision.champion == first.version
    assert world.champion() == better


def test_refuses_a_worse_challenger_and_says_by_how_much(world):
    good, poor = world.fit(), world.fit(POOR)
    world.consider(good)

    decision = world.consider(poor, days=2)

    assert decision.outcome == "refused"
    assert "is below the champion's 0." in decision.message
    assert "95% interval [-0." in decision.message
    assert decision.message.endswith("Promote anyway with reason=...")
    assert world.champion() == good


def test_refuses_a_challenger_that_is_only_as_good(world):
    good, equal = world.fit(), world.fit(number=2)
    world.consider(good)

    decision = world.consider(equal, days=2)

    assert decision.outcome == "refused"
    assert world.champion() == good


def test_says_that_the_champion_is_champion_already(world):
    version = world.fit()
    world.consider(version)

    decision = world.consider(version, days=2)

    assert decision.outcome == "already champion"
    assert len(world.releases()) == 1
    decision.require()


def test_records_every_decision_with_its_numbers(world, decisions):
    good, poor = world.fit(), world.fit(POOR)

    for version in (good, poor, good):
        world.consider(version)

    rows = decisions()
    findings = {one["check"]: one for one in rows[1]["evidence"]["findings"]}
    difference = findings["beats the champion"]["difference"]
    assert [row["outcome"] for row in rows] == ["promoted", "refused", "already champion"]
    assert difference["metric"] == "roc_auc"
    assert difference["high"] < 0
    assert rows[1]["evidence"]["rows"] == difference["rows"] == world.training_set.rows["test"]


def test_lets_a_person_force_a_release_and_marks_it_forever(world):
    good, poor = world.fit(), world.fit(POOR)
    world.consider(good)

    decision = world.consider(poor, days=2, reason="the law changes on Monday")

    last = world.releases()[-1]
    assert decision.outcome == "forced"
    assert world.champion() == poor
    assert (last.kind, last.who, last.why) == ("forced", "ada", "the law changes on Monday")
    assert not all(finding["passed"] for finding in last.evidence["findings"])


def test_forces_nothing_that_cannot_be_loaded(world):
    good, lost = world.fit(), world.fit(number=2)
    world.consider(good)
    world.home.artifacts.delete(lost.artifact)

    decision = world.consider(lost, reason="now!")

    assert decision.outcome == "refused"
    assert "its bundle cannot be loaded: Artifact" in decision.message
    assert world.champion() == good


def test_refuses_when_the_champion_is_lost_and_cannot_be_compared_with(world):
    good, other = world.fit(), world.fit(number=2)
    world.consider(good)
    world.home.artifacts.delete(good.artifact)

    decision = world.consider(other, days=2)

    assert decision.outcome == "refused"
    assert f"the champion {good.version} cannot be compared with: Artifact" in decision.message


def test_waits_for_an_approval_where_the_policy_asks_for_one(world):
    world = world.with_config("promotion", approval="needs_approval")
    version = world.fit()

    waiting = world.consider(version)
    world.approve(version, why="looked at the slices")
    approved = world.consider(version)

    assert waiting.outcome == "waiting"
    assert "waits for somebody to approve this bundle" in waiting.message
    assert approved.outcome == "promoted"
    assert "approved by grace" in approved.message


def test_takes_no_approval_of_another_bundle(world):
    world = world.with_config("promotion", approval="needs_approval")
    world.approve(world.fit(number=2), why="fine")

    assert world.consider(world.fit()).outcome == "waiting"


def test_asks_for_no_approval_of_what_is_refused_anyway(world):
    world = world.with_config("promotion", approval="needs_approval")

    assert world.consider(world.fit(["noise"])).outcome == "refused"


def test_heeds_a_refusal_even_where_no_approval_is_needed(world):
    version = world.fit()
    world.approve(version, why="unfair", approved=False)

    decision = world.consider(version)

    assert not decision.promoted
    assert "grace refused this bundle: unfair" in decision.message


def test_promotes_by_hand_only_where_the_policy_says_so(world):
    world = world.with_config("promotion", approval="manual")
    version = world.fit()

    assert world.consider(version).outcome == "waiting"
    assert world.consider(version, reason="after the review").outcome == "promoted"


def test_asks_what_other_rooms_ask(world):
    def serves_the_same(*_):
        return Finding("serving", passed=False, text="served answers differ in income")

    decision = world.consider(world.fit(), checks=[serves_the_same])

    assert decision.outcome == "refused"
    assert "served answers differ in income" in decision.message


def test_compares_on_no_row_that_the_champion_learned_from(world):
    world.consider(world.fit(MIDDLING), reason="to begin with")
    wider = world.with_config("split", test_share=0.4).renew()

    decision = wider.consider(wider.fit(), days=2)

    assert wider.training_set.rows["test"] > 1.5 * world.training_set.rows["test"]
    assert decision.rows == world.training_set.rows["test"]


def test_refuses_to_compare_on_a_handful_of_rows(world):
    greedy = world.with_config("split", test_share=0.001).renew()
    greedy.consider(greedy.fit(MIDDLING), reason="to begin with")
    unseen = greedy.training_set.rows["test"]

    decision = world.consider(world.fit(), days=2)

    assert unseen < 30
    assert decision.outcome == "refused"
    assert f"An interval needs at least 30 rows, got {unseen}" in decision.message


def test_replaces_a_champion_of_other_feature_code_by_one_that_is_as_good(world):
    world.consider(world.fit())
    edited = world.with_other_features()

    decision = edited.consider(edited.fit(number=2), days=2)

    assert decision.outcome == "promoted"
    assert "the champion cannot answer with the installed code" in decision.message
    assert decision.rows == world.training_set.rows["test"]


def test_replaces_a_champion_of_other_hooks_by_one_that_is_as_good(world):
    world.consider(world.fit())
    hooked = world.with_a_hook()

    decision = hooked.consider(hooked.fit(number=2), days=2)

    assert decision.outcome == "promoted"
    assert "the champion cannot answer with the installed code" in decision.message


def test_replaces_it_by_none_that_is_much_worse(world):
    world.consider(world.fit())
    edited = world.with_other_features()

    decision = edited.consider(edited.fit(POOR), days=2)

    assert decision.outcome == "refused"
    assert "is not shown to be at most 0.05 worse" in decision.message


def test_rolls_back_to_the_version_before(world):
    first, second = world.fit(MIDDLING), world.fit()
    world.consider(first, reason="to begin with")
    world.consider(second, days=2)

    release = world.roll_back()

    assert world.champion() == first
    assert (release.kind, release.from_version) == ("rollback", second.version)
    assert world.champion(at=world.now + timedelta(days=2)) == second


def test_rolls_back_only_to_what_can_answer(world):
    first, second = world.fit(MIDDLING), world.fit()
    world.consider(first, reason="to begin with")
    world.consider(second)
    world.home.artifacts.delete(first.artifact)

    with pytest.raises(NotPromotable, match="cannot answer, so the champion stays: Artifact"):
        world.roll_back()
    assert world.champion() == second


def test_has_nothing_to_roll_back_to_after_the_first(world):
    world.consider(world.fit())

    with pytest.raises(NotPromotable, match="has no version to go back to"):
        world.roll_back()


def test_rolls_back_to_no_version_that_never_answered(world):
    world.consider(world.fit())
    other = world.fit(number=2)

    with pytest.raises(NotPromotable, match="never answered before"):
        world.roll_back(to=other.version)


CONSIDER = """
import importlib.util, sys
from datetime import datetime

name, file, place, version, moment = sys.argv[1:]
spec = importlib.util.spec_from_file_location(name, file)
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

world = module.World(
    problem=module.loans_problem(),
    home=module.Home.open(place, environment={}),
    now=datetime.fromisoformat(moment),
)
print("ready", flush=True)
sys.stdin.readline()
print(world.consider(version, days=2).outcome)
"""


@pytest.mark.slow
def test_lets_one_process_win_when_several_promote_at_once(world):
    first = world.fit(MIDDLING)
    world.consider(first, reason="to begin with")
    rivals = [world.fit(number=number) for number in (1, 2, 3)]
    module = sys.modules[type(world).__module__]
    place, moment = str(world.home.path), world.now.isoformat()

    racers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                CONSIDER,
                module.__name__,
                module.__file__,
                place,
                one.version,
                moment,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for one in rivals
    ]
    ready = [racer.stdout.readline() for racer in racers]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    outcomes = sorted(racer.communicate(timeout=120)[0].strip() for racer in racers)

    log = world.releases()
    assert ready == ["ready\n"] * 3
    assert outcomes == ["promoted", "refused", "refused"]
    assert [one.sequence for one in log] == [1, 2]
    assert log[1].from_version == first.version
