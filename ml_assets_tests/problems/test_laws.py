"""Laws that every problem obeys, those of other packages too."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.problem import problems
from ml_assets.validation import hold_to_contract

ROWS = 300

CELLS = st.one_of(
    st.none(), st.text(max_size=20), st.sampled_from(["", "N/A", "-1", "1e400", "02/30/2015"])
)


def raw_of(problem, df):
    columns = {
        name: pa.array(df[name], pa.string(), from_pandas=True) for name in problem.fields
    }
    return pa.table(columns)


@pytest.fixture(params=problems(), ids=lambda problem: problem.name)
def problem(request):
    return request.param


@pytest.fixture
def sample(problem):
    return problem.sample(ROWS, np.random.default_rng(0))


@pytest.fixture
def rows(problem, sample):
    """Valid rows in the types that a feature function reads."""
    types = {
        pa.string(): pd.StringDtype(na_value=np.nan),
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    valid = hold_to_contract(problem, raw_of(problem, sample)).valid
    return valid.to_pandas(types_mapper=types.get)[problem.known_columns]


def test_sampled_rows_hold_the_contract(problem, sample):
    verdict = hold_to_contract(problem, raw_of(problem, sample))

    assert verdict.broken == {}
    assert len(verdict.valid) == ROWS
    assert verdict.rules > 0


def test_a_sample_looks_like_a_source(problem, sample):
    assert set(sample.columns) == set(problem.fields)
    assert all(pd.api.types.is_string_dtype(kind) for kind in sample.dtypes)
    assert sample.isna().to_numpy().any()


def test_the_same_seed_draws_the_same_sample(problem, sample):
    pd.testing.assert_frame_equal(sample, problem.sample(ROWS, np.random.default_rng(0)))


def test_another_seed_draws_another_sample(problem, sample):
    assert not sample.equals(problem.sample(ROWS, np.random.default_rng(1)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_row_is_valid_or_quarantined_whatever_its_cells_say(problem, sample, data):
    df = sample.copy()
    for _ in range(data.draw(st.integers(1, 10))):
        column = data.draw(st.sampled_from(list(problem.fields)))
        df.loc[data.draw(st.integers(0, ROWS - 1)), column] = data.draw(CELLS)

    verdict = hold_to_contract(problem, raw_of(problem, df))

    assert len(verdict.valid) + len(verdict.quarantined) == ROWS
    assert verdict.schema_failures == ()
    assert all(verdict.quarantined["reasons"].to_pylist())


def test_features_of_a_row_do_not_depend_on_its_neighbors(problem, rows):
    features = problem.features(rows)

    for place in (0, 7, len(rows) - 1):
        alone = problem.features(rows.iloc[[place]])
        pd.testing.assert_frame_equal(alone, features.iloc[[place]])
    shuffled = rows.sample(frac=1.0, random_state=0)
    pd.testing.assert_frame_equal(problem.features(shuffled), features.loc[shuffled.index])


def test_features_keep_the_index_of_the_rows(problem, rows):
    some = rows.iloc[::7]

    assert problem.features(some).index.equals(some.index)


def test_features_of_no_rows_have_the_same_columns_and_types(problem, rows):
    features = problem.features(rows)

    assert problem.features(rows.iloc[:0]).dtypes.equals(features.dtypes)


def test_text_features_are_never_missing(problem, rows):
    gaps = rows.copy()
    for name in problem.columns("input"):
        if name in gaps and problem.fields[name].nullable:
            gaps[name] = pd.Series([None] * len(gaps), index=gaps.index, dtype=gaps[name].dtype)

    for features in (problem.features(rows), problem.features(gaps)):
        assert not features.select_dtypes("str").isna().to_numpy().any()


def test_features_do_not_change_the_rows(problem, rows):
    before = rows.copy(deep=True)

    problem.features(rows)

    pd.testing.assert_frame_equal(rows, before)


def test_every_feature_has_its_encoder_and_no_other(problem, rows):
    assert set(problem.config.training.encoders) == set(problem.features(rows).columns)


def test_no_feature_is_protected_or_stands_for_what_is(problem, rows):
    forbidden = {*problem.config.protected, *problem.config.proxies}

    assert forbidden <= set(problem.fields)
    assert not forbidden & set(problem.known_columns)
    assert not forbidden & set(problem.features(rows).columns)


def test_says_its_goal_its_source_and_its_terms(problem):
    config = problem.config

    assert config.objective
    assert config.source.origin
    assert config.source.terms
    assert (problem.folder / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_names_of_the_configuration_are_columns(problem):
    config = problem.config

    assert set(config.source.aliases) <= set(problem.fields)
    assert set(config.source.optional) <= set(problem.fields)
    assert set(config.slices.columns) <= set(problem.fields)


def test_a_column_that_sources_may_lack_may_be_missing(problem):
    needed = {name for name, field in problem.fields.items() if not field.nullable}

    assert not needed & set(problem.config.source.optional) - {problem.entity_id}
