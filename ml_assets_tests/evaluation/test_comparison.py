import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml_assets.errors import InsufficientData
from ml_assets.evaluation import METRICS, compare, interval, measure
from ml_assets.evaluation.comparison import bootstrap


def _models(rng, rows, *, metric="roc_auc", noise=(1.0, 1.0), together=0.8):
    """Labels and two models whose errors go `together`; the noisier one is worse."""
    y = (rng.random(rows) < 0.3).astype(float)
    shared, *own = rng.normal(size=(3, rows))
    errors = [together * shared + (1 - together**2) ** 0.5 * each for each in own]
    scores = [y - 0.5 + scale * error for scale, error in zip(noise, errors, strict=True)]
    if METRICS[metric].needs == "value":
        return y + 2, *(score + 2.5 for score in scores)
    if METRICS[metric].needs == "interval":
        return y + 5, *(_with_ends(score + 5.5, around=5.5) for score in scores)
    return y, *(1 / (1 + np.exp(-score)) for score in scores)


def _with_ends(value, *, around):
    """Values with intervals that are wider away from `around`, and leave some labels outside."""
    reach = 0.5 + 0.2 * abs(value - around)
    return np.stack([value, value - reach, value + reach], axis=1)


@pytest.mark.parametrize("metric", METRICS)
def test_agrees_with_the_bootstrap(metric, rng):
    y, ours, theirs = _models(rng, 4_000, metric=metric, noise=(1.0, 1.2))
    definition = METRICS[metric]

    difference = compare(metric, y, ours, theirs)

    models = [definition.prepare(p, threshold=0.5) for p in (ours, theirs)]
    low, high = np.quantile(
        bootstrap(definition, y, models, resamples=2_000, seed=1), [0.025, 0.975]
    )
    width = high - low
    assert difference.low == pytest.approx(low, abs=0.12 * width)
    assert difference.high == pytest.approx(high, abs=0.12 * width)


@pytest.mark.parametrize(
    "metric",
    [
        "roc_auc",
        "brier",
        "log_loss",
        "accuracy",
        "precision",
        "f1",
        "rmse",
        "average_precision",
    ],
)
def test_interval_holds_the_true_difference_as_often_as_it_says(metric):
    rng = np.random.default_rng(1)
    resamples = 200 if metric == "average_precision" else 1
    y, *models = _models(rng, 1_000_000, metric=metric, noise=(1.0, 1.3))
    ours, theirs = (measure([metric], y, model)[metric] for model in models)
    truth = ours - theirs

    held = 0
    for _ in range(300):
        y, ours, theirs = _models(rng, 400, metric=metric, noise=(1.0, 1.3))
        difference = compare(metric, y, ours, theirs, confidence=0.9, resamples=resamples)
        held += difference.low <= truth <= difference.high

    assert 0.85 <= held / 300 <= 0.95


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "brier", "f1", "mae"])
def test_accepts_few_challengers_that_are_no_better(metric):
    rng = np.random.default_rng(2)

    accepted = sum(
        compare(metric, *_models(rng, 1_000, metric=metric, together=0.95)).exceeds(0.0)
        for _ in range(1_000)
    )

    assert accepted <= 50


@pytest.mark.parametrize("rows", [300, 3_000])
def test_accepts_few_challengers_that_differ_on_a_handful_of_rows(rows):
    rng = np.random.default_rng(3)

    accepted = 0
    for _ in range(400):
        y = (rng.random(rows) < 0.3).astype(float)
        theirs = np.where(rng.random(rows) < 0.8, y, 1 - y)
        ours, changed = theirs.copy(), rng.choice(rows, rng.integers(1, 12), replace=False)
        ours[changed] = rng.integers(0, 2, len(changed))
        accepted += compare("accuracy", y, ours, theirs).exceeds(0.0)

    assert accepted <= 20


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "mae"])
def test_accepts_most_challengers_that_are_truly_better(metric):
    rng = np.random.default_rng(4)

    accepted = sum(
        compare(metric, *_models(rng, 1_000, metric=metric, noise=(0.9, 1.2))).exceeds(0.0)
        for _ in range(50)
    )

    assert accepted >= 40


def test_reports_both_models_and_their_difference(rng):
    y, ours, theirs = _models(rng, 500)

    difference = compare("roc_auc", y, ours, theirs)

    assert difference.challenger == pytest.approx(roc_auc_score(y, ours))
    assert difference.incumbent == pytest.approx(roc_auc_score(y, theirs))
    assert difference.estimate == pytest.approx(difference.challenger - difference.incumbent)
    assert difference.low < difference.estimate < difference.high
    assert difference.rows == 500


def test_turns_the_gain_where_lower_is_better(rng):
    y, ours, theirs = _models(rng, 2_000, noise=(0.5, 2.0))

    difference = compare("brier", y, ours, theirs)

    assert difference.estimate < 0
    assert difference.gain == (-difference.estimate, -difference.high, -difference.low)
    assert difference.exceeds(0.0)


@pytest.mark.parametrize("metric", METRICS)
def test_finds_no_difference_between_a_model_and_itself(metric, rng):
    y, ours, _ = _models(rng, 2_000, metric=metric)

    difference = compare(metric, y, ours, ours, resamples=200)

    assert difference.estimate == 0
    assert difference.low <= 0 <= difference.high
    assert difference.high < 0.03
    assert not difference.exceeds(0.0)


@pytest.mark.parametrize(("decisions", "proven"), [(1, False), (3, False), (60, True)])
def test_takes_perfect_precision_only_from_many_decisions(decisions, proven):
    y = np.repeat([0.0, 1.0], [700, 300])
    cautious = np.where(np.arange(1000) >= 1000 - decisions, 0.9, 0.1)

    difference = compare("precision", y, cautious, np.ones(1000))

    assert difference.challenger == 1.0
    assert difference.exceeds(0.0) == proven


def test_accepts_nothing_where_the_metric_is_undefined():
    y = np.zeros(100)

    difference = compare("roc_auc", y, np.linspace(0, 1, 100), np.zeros(100))

    assert np.isnan(difference.estimate)
    assert not difference.exceeds(0.0)
    assert not difference.falls_short_of(0.0)


def test_draws_the_same_rows_for_the_same_seed(rng):
    y, ours, theirs = _models(rng, 300)

    first, again, other = (
        compare("average_precision", y, ours, theirs, seed=seed, resamples=200)
        for seed in (0, 0, 1)
    )

    assert first == again
    assert first.low != other.low


def test_reaches_further_the_more_sure_it_must_be(rng):
    y, ours, theirs = _models(rng, 500)

    for metric in ("roc_auc", "average_precision"):
        widths = [
            found.high - found.low
            for found in (
                compare(metric, y, ours, theirs, confidence=confidence, resamples=300)
                for confidence in (0.8, 0.95, 0.999)
            )
        ]
        assert widths == sorted(widths)
        assert widths[0] < widths[-1]


def test_puts_an_interval_around_one_model(rng):
    y, ours, _ = _models(rng, 500)

    found = interval("roc_auc", y, ours)

    assert found.value == pytest.approx(roc_auc_score(y, ours))
    assert found.low < found.value < found.high


def test_refuses_too_few_rows():
    with pytest.raises(InsufficientData, match="An interval needs at least 30 rows, got 3"):
        compare("brier", [0, 1, 1], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])


def test_reads_as_in_a_refusal():
    y = np.tile([0.0, 1.0], 50)

    text = str(compare("brier", y, np.full(100, 0.5), np.full(100, 0.4)))

    assert text.startswith("difference -0.01, 95% interval [-0.0")
