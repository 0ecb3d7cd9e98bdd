"""Whatever a file holds: it is refused with a reason, or all of its rows hold what is written."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.errors import MLAssetsError
from ml_assets.features import build_features, contract_frame
from ml_assets.problem import problem_in
from ml_assets.scaffold import Asked, draft, files_of, rows_of, write_folder
from ml_assets.validation import hold_to_contract

TODAY = dt.date(2026, 1, 1)
WHAT_TO_DO = ("at least", "--positive", "Choose", "Write", "Bring", "Make")
DAYS = pd.date_range("2019-12-20", "2021-02-10")


def _times(form):
    return lambda n, rng: DAYS[rng.integers(len(DAYS), size=n)].strftime(form)


def _words(*words):
    return lambda n, rng: rng.choice(words, n)


def _numbers(form):
    return lambda n, rng: [form.format(value) for value in rng.gamma(1.0, 500.0, n)]


COLUMNS = {
    "whole": lambda n, rng: rng.integers(-5, 40, n).astype(str),
    "code": lambda n, rng: [f"{value:06d}" for value in rng.integers(0, 10**6, n)],
    "price": _numbers("${:,.2f}"),
    "comma": lambda n, rng: [f"{value:.1f}".replace(".", ",") for value in rng.normal(size=n)],
    "weight_kg": _numbers("{:.0f} kg"),
    "tiny": _numbers("{:e}"),
    "day": _times("%d/%m/%Y"),
    "us_day": _times("%m/%d/%y"),
    "at": _times("%Y-%m-%dT%H:%M:%SZ"),
    "yes": _words("Yes", "No"),
    "one": _words("1", "0", ""),
    "class": _words("good", "bad"),
    "sign": _words("+", "-"),
    "odd": _words("?", "-", "N/A", "unknown", "7"),
    "größe": _words("S", "M", "L", "XL\u00a0", '"quoted"', "line\nbreak"),
    "age": lambda n, rng: rng.integers(18, 90, n).astype(str),
    "note": lambda n, rng: [
        " ".join(rng.choice(["the", "parcel", "came", "too", "late"], 12)) + f" {i}"
        for i in range(n)
    ],
    "nothing": _words(""),
    "same": _words("x"),
    "validate": lambda n, rng: rng.normal(size=n).round(3).astype(str),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_row_holds_the_contract_that_is_written(folder, data):
    names = data.draw(
        st.lists(st.sampled_from(list(COLUMNS)), min_size=2, max_size=8, unique=True)
    )
    rows, seed = data.draw(st.integers(100, 400)), data.draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({name: COLUMNS[name](rows, rng) for name in names})
    df = df.mask(rng.random(df.shape) < data.draw(st.sampled_from([0.0, 0.1])), "")
    name = f"any_{len(list(folder.iterdir()))}"
    file = folder / f"{name}.csv"
    df.to_csv(file, index=False)

    try:
        drafted = draft(Asked(name=name, file=file, target=names[0]), today=TODAY)
    except MLAssetsError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert any(words in said for words in WHAT_TO_DO)
        return
    write_folder(files_of(drafted), folder / name)

    problem = problem_in(folder / name)
    undated = drafted.event_time.column.missing if drafted.event_time.column else 0
    verdict = hold_to_contract(problem, rows_of(problem, file))
    assert len(verdict.valid) == drafted.rows - undated, verdict.broken
    sample = problem.sample(50, rng)
    drawn = hold_to_contract(problem, rows_of_texts(problem, sample))
    assert set(drawn.broken) <= {f"{problem.event_time}: is missing"}
    features = build_features(problem, contract_frame(problem, verdict.valid))
    assert set(features) == set(problem.config.training.encoders)


def rows_of_texts(problem, sample):
    return pa.table(
        {n: pa.array(sample[n], pa.string(), from_pandas=True) for n in problem.fields}
    )
