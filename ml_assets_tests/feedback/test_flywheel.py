"""Labels per week and what models gained by them, from what the stores have."""

import datetime as dt

import pytest

from ml_assets.feedback import Cycle, Flywheel, Week, flywheel, seal

MONDAY = dt.date(2026, 11, 2)


def cycle(gain):
    return Cycle("v", dt.datetime(2026, 11, 20, tzinfo=dt.UTC), "feedback", 1, gain, gain, gain)


def test_counts_weeks_without_labels_too():
    weeks = (Week(MONDAY, 10), Week(MONDAY + dt.timedelta(weeks=3), 30))

    assert Flywheel(weeks, ()).labels_per_week == 10.0


def test_says_nothing_about_gain_before_there_was_a_cycle():
    assert Flywheel((), ()).gain_per_cycle is None
    assert Flywheel((), ()).labels_per_week == 0.0


def test_takes_the_mean_gain_of_all_cycles():
    assert Flywheel((), (cycle(0.04), cycle(-0.01))).gain_per_cycle == pytest.approx(0.015)


def test_counts_labels_in_the_week_of_their_sealing(problem, home, log, say):
    answered_at = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    for number, day in enumerate((3, 18)):
        for each in log(4 + number, at=answered_at):
            say(each, label=1)
        seal(problem, home, now=dt.datetime(2026, 11, day, tzinfo=dt.UTC))

    wheel = flywheel(problem, home)

    assert wheel.weeks == (Week(MONDAY, 4), Week(MONDAY + dt.timedelta(weeks=2), 5))
    assert wheel.labels_per_week == 3.0
    assert wheel.cycles == ()
