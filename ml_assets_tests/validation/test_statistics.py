import datetime as dt

import numpy as np
import pytest

from ml_assets.validation.chance import share_surprise
from ml_assets.validation.statistics import findings
from ml_assets.validation.summary import Statistics, Summary, bucket_of

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def of(*columns, newest=None):
    return Statistics(rows=max(each.rows for each in columns), newest=newest, columns=columns)


def categories(column, counts, *, missing=0):
    rows = sum(counts.values()) + missing
    return Summary(column, "category", rows, missing, counts)


def numbers(column, values, *, missing=0):
    buckets, counts = np.unique(bucket_of(np.asarray(values, dtype=float)), return_counts=True)
    return Summary(
        column=column,
        kind="number",
        rows=len(values) + missing,
        missing=missing,
        counts={str(b): int(n) for b, n in zip(buckets, counts, strict=True)},
        minimum=float(np.min(values)),
        maximum=float(np.max(values)),
    )


def labels(positives, rows):
    return of(categories("consumer_disputed", {"true": positives, "false": rows - positives}))


@pytest.fixture
def found(complaints):
    def find(current, reference, *, problem=complaints):
        return [f.statistic for f in findings(problem, current, reference, now=NOW)]

    return find


@pytest.fixture
def named(complaints):
    def name(statistic, current, reference):
        every = findings(complaints, current, reference, now=NOW)
        return next(each for each in every if each.statistic == statistic)

    return name


class TestClassBalance:
    @pytest.mark.parametrize("reference_rows", [100, 300, 5_000])
    @pytest.mark.parametrize("rows", [30, 40, 50, 60, 200, 5_000])
    def test_alarms_from_even_to_seventy_thirty(self, found, rows, reference_rows):
        even = labels(reference_rows // 2, reference_rows)

        assert found(labels(round(0.7 * rows), rows), even) == ["class_balance"]
        assert found(labels(rows - round(0.7 * rows), rows), even) == ["class_balance"]

    @pytest.mark.parametrize("reference_rows", [100, 300, 5_000])
    @pytest.mark.parametrize("rows", [30, 40, 50, 60, 200, 5_000, 1_000_000])
    def test_does_not_alarm_from_even_to_fifty_one(self, found, rows, reference_rows):
        even = labels(reference_rows // 2, reference_rows)

        assert found(labels(round(0.51 * rows), rows), even) == []

    @pytest.mark.parametrize("rows", range(30, 61, 5))
    def test_tells_both_apart_in_drawn_partitions(self, found, rows):
        rng = np.random.default_rng(rows)
        even = labels(500, 1_000)

        shifted = [bool(found(labels(rng.binomial(rows, 0.7), rows), even)) for _ in range(400)]
        alike = [bool(found(labels(rng.binomial(rows, 0.51), rows), even)) for _ in range(400)]

        # What a test of so few rows can do at all: 21 of 30 or more come up in 59 % of draws.
        assert np.mean(shifted) > (0.5 if rows < 45 else 0.75)
        assert np.mean(alike) < 0.09

    def test_never_confuses_them_in_partitions_of_five_hundred(self, found):
        rng = np.random.default_rng(0)
        even = labels(500, 1_000)

        assert all(found(labels(rng.binomial(500, 0.7), 500), even) for _ in range(300))
        assert not any(found(labels(rng.binomial(500, 0.51), 500), even) for _ in range(300))

    @pytest.mark.parametrize(("positives", "alarms"), [(12, []), (17, ["class_balance"])])
    def test_of_very_few_labels_must_be_beyond_doubt(self, found, positives, alarms):
        assert found(labels(positives, 17), labels(500, 1_000)) == alarms

    def test_says_what_was_seen_what_is_usual_and_both_remedies(self, complaints):
        finding = findings(complaints, labels(140, 200), labels(500, 1_000), now=NOW)[0]

        assert finding.action == "refuse"
        assert finding.text == (
            "consumer_disputed: 70% of 200 labels are positive, 50% of 1,000 in the reference "
            "(difference 0.20, at most 0.10 allowed). Correct the source, or accept it in "
            "config.yaml: `accept_imbalance: true` under gate, together with one remedy under "
            "training: `imbalance: class_weight` weighs the loss, `imbalance: undersample` evens "
            "out the sampling."
        )

    def test_is_not_asked_without_labels(self, found):
        unlabelled = of(categories("consumer_disputed", {}, missing=500))

        assert found(unlabelled, labels(500, 1_000)) == ["missing_rate"]

    def test_has_nothing_to_be_held_against_at_first(self, found):
        assert found(labels(70, 100), None) == []
        assert found(labels(70, 100), labels(49, 99)) == []


class TestAnAcceptedImbalance:
    def test_stays_refused_without_a_remedy(self, with_config):
        problem = with_config(gate={"accept_imbalance": True})

        finding = findings(problem, labels(140, 200), labels(500, 1_000), now=NOW)[0]

        assert finding.action == "refuse"
        assert "training.imbalance is none" in finding.text
        assert "`imbalance: class_weight`" in finding.text
        assert "`imbalance: undersample`" in finding.text

    @pytest.mark.parametrize("remedy", ["class_weight", "undersample"])
    def test_opens_the_gate_with_one(self, with_config, remedy):
        problem = with_config(gate={"accept_imbalance": True}, training={"imbalance": remedy})

        finding = findings(problem, labels(140, 200), labels(500, 1_000), now=NOW)[0]

        assert finding.action == "warn"
        assert finding.text.endswith(f"training remedies it by {remedy}.")


class TestNewCategories:
    REFERENCE = of(categories("state", {"CA": 600, "TX": 300, "NY": 100}))

    def test_refuse_when_many_rows_have_one(self, named):
        current = of(categories("state", {"CA": 80, "QQ": 20}))

        finding = named("new_categories", current, self.REFERENCE)

        assert finding.action == "refuse"
        assert "20% of the rows have one of 1 categories" in finding.text
        assert "'QQ'" in finding.text

    def test_pass_when_few_rows_have_one(self, found):
        current = of(categories("state", {"CA": 60, "TX": 30, "NY": 10, "QQ": 3}))

        assert found(current, self.REFERENCE) == []

    def test_pass_when_they_were_announced(self, found):
        reference = of(categories("product", {"Mortgage": 1_000}))

        announced = of(categories("product", {"Mortgage": 50, "Student loan": 50}))
        unheard_of = of(categories("product", {"Mortgage": 50, "Tulip bulbs": 50}))

        assert "new_categories" not in found(announced, reference)
        assert "new_categories" in found(unheard_of, reference)

    def test_only_warn_where_names_come_and_go(self, named):
        reference = of(categories("company", {"A": 900, "B": 100}))
        current = of(categories("company", {"A": 60, "C": 40}))

        assert named("new_categories", current, reference).action == "warn"

    def test_pass_where_the_reference_is_full_of_names_seen_once(self, found):
        reference = {f"company {place}": 1 for place in range(300)}
        current = {f"company {place}": 1 for place in range(250, 350)}

        assert (
            found(of(categories("company", current)), of(categories("company", reference)))
            == []
        )


class TestDistribution:
    def test_warns_when_categories_trade_places(self, found):
        reference = of(categories("submitted_via", {"Web": 800, "Phone": 150, "Fax": 50}))
        current = of(categories("submitted_via", {"Web": 80, "Phone": 120, "Fax": 100}))

        assert found(current, reference) == ["distribution"]

    def test_warns_when_numbers_move(self, found, rng):
        reference = of(numbers("date_sent_to_company", rng.lognormal(1.0, 0.5, 3_000)))
        current = of(numbers("date_sent_to_company", rng.lognormal(1.8, 0.5, 300)))

        assert "distribution" in found(current, reference)

    @pytest.mark.parametrize("rows", [20, 50, 200, 2_000])
    def test_is_not_alarmed_by_small_partitions(self, found, rng, rows):
        shares = rng.dirichlet(np.ones(40))
        known = rng.multinomial(3_000, shares)
        reference = of(
            categories("state", {f"S{n}": int(k) for n, k in enumerate(known) if k}),
            numbers("date_sent_to_company", rng.lognormal(1.0, 1.0, 3_000)),
        )

        alarms = 0
        for _ in range(200):
            drawn = rng.multinomial(rows, shares)
            current = of(
                categories("state", {f"S{n}": int(k) for n, k in enumerate(drawn) if k}),
                numbers("date_sent_to_company", rng.lognormal(1.0, 1.0, rows)),
            )
            alarms += bool(found(current, reference))

        assert alarms <= 2


class TestTheOtherStatistics:
    def test_missing_rate_warns_beyond_its_limit_only(self, found):
        reference = of(categories("state", {"CA": 950}, missing=50))

        assert found(of(categories("state", {"CA": 60}, missing=40)), reference) == [
            "missing_rate"
        ]
        assert found(of(categories("state", {"CA": 80}, missing=20)), reference) == []
        assert found(of(categories("state", {"CA": 2}, missing=1)), reference) == []

    def test_out_of_range_warns_beyond_its_limit_only(self, found, rng):
        reference = of(numbers("date_sent_to_company", rng.uniform(1, 100, 1_000)))
        usual = rng.uniform(1, 100, 190)

        assert "out_of_range" in found(
            of(numbers("date_sent_to_company", [*usual, *[400] * 20])), reference
        )
        assert found(of(numbers("date_sent_to_company", [*usual, *[400] * 5])), reference) == []

    def test_category_count_warns_when_names_multiply(self, found):
        reference = of(categories("company", {f"company {n}": 50 for n in range(20)}))
        current = of(categories("company", {f"Company {n}": 2 for n in range(100)}))

        assert "category_count" in found(current, reference)

    def test_category_count_warns_when_names_vanish(self, found):
        reference = of(categories("company", {f"company {n}": 50 for n in range(20)}))

        assert "category_count" in found(
            of(categories("company", {"company 1": 200})), reference
        )

    @pytest.mark.parametrize(("days", "statistics"), [(30, []), (29, ["freshness"])])
    def test_freshness_warns_when_events_are_old(self, with_config, found, days, statistics):
        current = labels(1, 2)._replace(newest=NOW - dt.timedelta(days=30))

        assert (
            found(current, None, problem=with_config(gate={"freshness_days": days}))
            == statistics
        )


def test_findings_are_ranked_by_size(complaints):
    reference = of(
        categories("consumer_disputed", {"true": 500, "false": 500}),
        categories("state", {"CA": 1_000}),
    )
    current = of(
        categories("consumer_disputed", {"true": 140, "false": 60}),
        categories("state", {"CA": 20, "QQ": 180}),
    )

    sizes = [each.size for each in findings(complaints, current, reference, now=NOW)]

    assert len(sizes) >= 3
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (1_200, 1_999), (1_250, 2_001)])
def test_surprise_is_a_probability(hits, rows):
    assert 0 <= share_surprise(hits, rows, 500, 1_000) <= 1


def test_surprise_agrees_above_and_below_the_exact_limit():
    exact = share_surprise(1_040, 2_000, 5_000, 10_000)
    approximate = share_surprise(1_041, 2_001, 5_000, 10_000)

    assert approximate == pytest.approx(exact, rel=0.1)
