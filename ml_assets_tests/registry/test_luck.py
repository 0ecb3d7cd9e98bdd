"""The promotion gate against luck: models trained again on resampled rows, and true gains."""

from ml_assets_bench.promotion import GAINS, HIDDEN, NULLS, shares


def test_lets_at_most_one_in_twenty_models_pass_that_were_only_trained_again(complaints):
    accepted, gain = shares(complaints.config, 2_000, 400, NULLS, hidden=None)

    assert abs(gain) < 0.005
    assert accepted <= 0.05


def test_lets_four_in_five_models_pass_that_read_a_feature_more(complaints):
    accepted, gain = shares(complaints.config, 6_000, 1_200, GAINS, hidden=HIDDEN)

    assert 0.02 < gain < 0.06
    assert accepted >= 0.80
