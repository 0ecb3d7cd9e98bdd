from dataclasses import replace

import numpy as np
import pytest

from ml_assets.evaluation import METRICS, baseline_predictions
from ml_assets.registry.gate import FrozenRows, judge


@pytest.fixture
def config(complaints):
    return complaints.config.model_copy(
        update={"slices": complaints.config.slices.model_copy(update={"columns": ["state"]})}
    )


def with_kpi(config, metric, *, floor):
    kpi = config.kpi.model_copy(update={"metric": metric, "floor": floor})
    return config.model_copy(update={"kpi": kpi})


def frozen(y, challenger, champion=None, *, slices=None, metric=None):
    baseline = baseline_predictions("binary", y, len(y), metric=metric)
    return FrozenRows(
        y=y, challenger=challenger, champion=champion, baseline=baseline, slices=slices or {}
    )


def passes(config, rows):
    return all(finding.passed for finding in judge(config, rows))


def refusals(config, rows):
    return [finding.text for finding in judge(config, rows) if not finding.passed]


def test_accepts_at_most_one_in_twenty_challengers_that_are_no_better(config, probabilities):
    accepted = sum(passes(config, frozen(*probabilities(1_200, 1.5, 1.5))) for _ in range(200))

    assert accepted <= 10


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "f1", "accuracy"])
def test_accepts_few_such_challengers_whatever_the_kpi(metric, config, probabilities):
    config = with_kpi(config, metric, floor=0.0 if METRICS[metric].higher_is_better else 1.0)

    accepted = sum(
        passes(config, frozen(*probabilities(800, 1.5, 1.5), metric=metric)) for _ in range(200)
    )

    assert accepted <= 10


def test_accepts_at_least_four_in_five_challengers_that_are_better(config, probabilities):
    accepted = sum(passes(config, frozen(*probabilities(1_200, 1.3, 1.6))) for _ in range(50))

    assert accepted >= 40


OF_PROBABILITIES = [
    name for name, metric in METRICS.items() if metric.needs in ("probability", "decision")
]


@pytest.mark.parametrize("metric", OF_PROBABILITIES)
@pytest.mark.parametrize("constant", [0.0, 0.3, 0.5, 1.0])
def test_refuses_a_constant_model_whatever_the_kpi(metric, constant, config):
    y = np.repeat([0.0, 1.0], [700, 300])
    config = with_kpi(config, metric, floor=-10 if METRICS[metric].higher_is_better else 100)

    assert not passes(config, frozen(y, np.full(1000, constant), metric=metric))


def test_refuses_a_model_that_is_constant_but_for_one_row(config):
    y = np.repeat([0.0, 1.0], [700, 300])
    answers = np.full(1000, 0.2)
    answers[-1] = 0.9

    for metric in ("accuracy", "roc_auc", "precision"):
        loose = with_kpi(config, metric, floor=0.0)
        assert not passes(loose, frozen(y, answers, metric=metric))


def test_needs_only_baseline_and_floor_where_nobody_answers_yet(config, probabilities):
    y, challenger = probabilities(1_000, 1.0)

    findings = judge(config, frozen(y, challenger))

    assert [finding.check for finding in findings] == ["answers", "floor", "beats the baseline"]
    assert all(finding.passed for finding in findings)


def test_says_by_how_much_a_worse_challenger_missed(config, probabilities):
    y, challenger, champion = probabilities(2_000, 2.0, 1.0)

    texts = refusals(config, frozen(y, challenger, champion))

    assert len(texts) == 1
    assert texts[0].startswith("roc_auc 0.6")
    assert "is below the champion's 0." in texts[0]
    assert "(difference -0." in texts[0]
    assert ", 95% interval [-0." in texts[0]


def test_says_that_chance_explains_a_small_gain(config, probabilities):
    y, challenger, champion = probabilities(300, 1.45, 1.5, together=0.5)

    texts = refusals(config, frozen(y, challenger, champion))

    assert "is above the champion's" in texts[0]
    assert "but not by more than chance explains" in texts[0]


def test_refuses_a_gain_below_the_least_that_is_asked(config, probabilities):
    y, challenger, champion = probabilities(5_000, 1.3, 1.4)
    asking = config.model_copy(
        update={"promotion": config.promotion.model_copy(update={"min_gain": 0.2})}
    )

    assert passes(config, frozen(y, challenger, champion))
    assert "but not by at least 0.20" in refusals(asking, frozen(y, challenger, champion))[0]


def test_refuses_a_model_below_the_floor(config, probabilities):
    y, challenger = probabilities(2_000, 3.0)
    config = with_kpi(config, "roc_auc", floor=0.9)

    texts = refusals(config, frozen(y, challenger))

    assert len(texts) == 1
    assert texts[0].endswith("is below the floor 0.90")


def test_refuses_a_model_above_the_floor_where_lower_is_better(config, probabilities):
    y, challenger = probabilities(2_000, 1.0)
    config = with_kpi(config, "brier", floor=0.01)

    texts = refusals(config, frozen(y, challenger, metric="brier"))

    assert texts[0].endswith("is above the floor 0.01")


def test_refuses_a_better_model_that_is_worse_for_one_state(config, probabilities, rng):
    y, challenger, champion = probabilities(6_000, 0.9, 1.6)
    state = rng.choice(["CA", "NY", "TX", "FL"], 6_000)
    challenger = np.where(state == "NY", rng.random(6_000), challenger)

    findings = judge(config, frozen(y, challenger, champion, slices={"state": state}))

    failed = [finding for finding in findings if not finding.passed]
    assert [finding.check for finding in failed] == ["keeps every slice"]
    assert failed[0].text.startswith("state NY: roc_auc 0.")
    assert "falls by more than 0.05" in failed[0].text


def test_ignores_a_fall_within_the_slice_limit(config, probabilities, rng):
    y, challenger, champion = probabilities(6_000, 0.9, 1.3)
    state = rng.choice(["CA", "NY"], 6_000)
    challenger = np.where(
        state == "NY", np.clip(champion - 1e-3 * rng.random(6_000), 0, 1), challenger
    )

    assert passes(config, frozen(y, challenger, champion, slices={"state": state}))


def test_ignores_a_fall_in_a_slice_with_too_few_rows(config, probabilities, rng):
    y, challenger, champion = probabilities(6_000, 0.9, 1.6)
    state = np.where(np.arange(6_000) < 99, "WY", "CA")
    challenger = np.where(state == "WY", rng.random(6_000), challenger)

    assert passes(config, frozen(y, challenger, champion, slices={"state": state}))


def test_rarely_blames_chance_on_a_slice(config, probabilities, rng):
    blamed = 0
    for _ in range(100):
        y, challenger, champion = probabilities(3_000, 1.3, 1.6)
        state = rng.choice([f"S{number}" for number in range(20)], 3_000)
        findings = judge(config, frozen(y, challenger, champion, slices={"state": state}))
        blamed += not findings[-1].passed

    assert blamed <= 5


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (np.full(100, 0.3), "it answers 0.30 for every row"),
        (np.append(np.linspace(0, 1, 99), np.nan), "1 of 100 answers are not finite numbers"),
        (np.linspace(-1, 1, 100), "50 of 100 answers are no probabilities"),
    ],
)
def test_refuses_answers_that_are_not_fit(answers, text, config):
    y = np.tile([0.0, 1.0], 50)

    assert refusals(config, frozen(y, answers)) == [text]


def test_refuses_when_too_few_rows_are_frozen(config):
    y = np.tile([0.0, 1.0], 5)

    texts = refusals(config, frozen(y, np.linspace(0, 1, 10)))

    assert texts == ["too few frozen rows: An interval needs at least 30 rows, got 10."]


def test_refuses_when_the_kpi_is_undefined_on_the_rows(config):
    texts = refusals(config, frozen(np.zeros(100), np.linspace(0, 1, 100)))

    assert texts == [
        "roc_auc is undefined on these rows",
        "roc_auc is undefined on these 100 rows, so nothing is shown",
    ]


def test_reads_the_slice_limit_as_a_share_for_metrics_in_units_of_the_label(config, rng):
    price = rng.lognormal(12, 0.3, 4_000)
    region = rng.choice(["Berlin", "Bonn"], 4_000)
    champion = price * np.exp(0.2 * rng.normal(size=4_000))
    better = price * np.exp(0.1 * rng.normal(size=4_000))
    challenger = np.where(
        region == "Bonn", price * np.exp(0.4 * rng.normal(size=4_000)), better
    )
    config = with_kpi(config, "mae", floor=1e9).model_copy(update={"kind": "regression"})
    baseline = baseline_predictions("regression", price, 4_000)

    for answers, texts in ((challenger, 1), (better, 0)):
        rows = FrozenRows(
            y=price,
            challenger=answers,
            champion=champion,
            baseline=baseline,
            slices={"region": region},
        )
        assert (
            len([text for text in refusals(config, rows) if text.startswith("region Bonn")])
            == texts
        )


@pytest.fixture
def prices(config, rng):
    """Prices of two regions of different scatter, and the configuration of a regression."""
    price = rng.lognormal(12, 0.3, 4_000)
    region = rng.choice(["Berlin", "Bonn"], 4_000)
    config = with_kpi(config, "median_ape", floor=1.0).model_copy(update={"kind": "regression"})
    return config, price, region


def off_by(price, rng, scatter):
    """Answers whose errors scatter so much."""
    return price * np.exp(scatter * rng.normal(size=len(price)))


@pytest.mark.parametrize(("scatter", "falls"), [(0.104, False), (0.13, True)])
def test_reads_the_slice_limit_as_a_share_of_the_slice_for_errors_without_a_bound(
    scatter, falls, prices, rng
):
    """With 10 percent tolerated, a precise slice may lose 10 percent of its error, not 10 points."""
    config, price, region = prices
    config = config.model_copy(
        update={"slices": config.slices.model_copy(update={"tolerance": 0.1})}
    )
    champion = off_by(price, rng, np.where(region == "Bonn", 0.1, 0.5))
    shrunk = (champion / price) ** np.where(region == "Bonn", scatter / 0.1, 0.5) * price
    rows = FrozenRows(
        y=price,
        challenger=shrunk,
        champion=champion,
        baseline=baseline_predictions("regression", price, len(price)),
        slices={"region": region},
    )

    texts = [text for text in refusals(config, rows) if text.startswith("region")]

    assert bool(texts) == falls
    if falls:
        assert "rises by more than 10% of its own median_ape" in texts[0]


@pytest.mark.parametrize("learned", [{"Berlin", "Bonn"}, {"Berlin"}])
def test_does_not_hold_a_slice_against_a_challenger_that_the_champion_learned_nothing_of(
    learned, prices, rng
):
    config, price, region = prices
    champion = off_by(price, rng, 0.3)
    rows = FrozenRows(
        y=price,
        challenger=off_by(price, rng, np.where(region == "Bonn", 0.6, 0.05)),
        champion=champion,
        baseline=baseline_predictions("regression", price, len(price)),
        slices={"region": region},
        learned_slices={"region": learned},
    )

    (finding,) = [one for one in judge(config, rows) if one.check == "keeps every slice"]

    assert finding.passed == ("Bonn" not in learned)
    assert ("new to the champion, so not held against it: region Bonn" in finding.text) == (
        finding.passed
    )


def test_judges_the_width_of_intervals_like_any_other_metric(prices, rng):
    config, price, _ = prices
    config = with_kpi(config, "relative_width", floor=3.0)
    value = off_by(price, rng, 0.1)

    def within(reach):
        return np.stack([value, value * (1 - reach), value * (1 + reach)], axis=1)

    rows = FrozenRows(
        y=price, challenger=within(0.2), champion=within(0.3), baseline=within(0.9), slices={}
    )

    assert passes(config, rows)
    assert not passes(config, replace(rows, challenger=within(0.4)))
