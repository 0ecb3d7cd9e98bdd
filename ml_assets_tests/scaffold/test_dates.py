"""How dates are written is decided by evidence, and said where there is none."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.ingestion.times import moment
from ml_assets.scaffold.dates import CLOCKS, DAYS, date_format

TIMES = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2068, 12, 31))  # noqa: DTZ001


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(TIMES, min_size=1, max_size=30),
    form=st.sampled_from([day + clock for day in DAYS for clock in CLOCKS]),
)
def test_a_format_that_is_found_reads_every_date_as_it_was_meant(moments, form):
    texts = [each.strftime(form) for each in moments]

    found = date_format(texts)

    assert found.read == 1.0
    meant = [moment(text, [form]) for text in texts]
    read = [moment(text, [found.format] if found.format else ()) for text in texts]
    assert read == meant or found.doubt


def test_a_day_beyond_the_12th_decides():
    assert date_format(["3/12/2016", "28/5/2016"]).format == "%d/%m/%Y"
    assert date_format(["12/3/2016", "5/28/2016"]).format == "%m/%d/%Y"


def test_a_file_in_order_of_time_decides():
    first = dt.date(2015, 1, 1)
    days = [first + dt.timedelta(days=31 * month) for month in range(24)]
    texts = [
        day.replace(day=1 + number % 9).strftime("%m/%d/%Y") for number, day in enumerate(days)
    ]

    found = date_format(sorted(texts, key=lambda text: moment(text, ["%m/%d/%Y"])))

    assert (found.format, found.doubt) == ("%m/%d/%Y", None)


def test_without_evidence_there_is_a_doubt():
    found = date_format(["03/04/2015", "01/05/2015", "02/01/2015"])

    assert found.doubt == "no day is beyond the 12th, so %m/%d/%Y reads them as well"


@pytest.mark.parametrize(
    "texts",
    [["1200", "1300"], ["1.5", "2.5"], ["2015", "2016"], ["12:30"], ["hello world"], []],
)
def test_other_texts_are_no_dates(texts):
    assert date_format(texts) is None


@pytest.mark.parametrize(("text", "form"), [("2015", "%Y"), ("201503", "%Y%m")])
def test_coarse_dates_are_read_where_somebody_says_that_they_are(text, form):
    assert date_format([text], said=True).format == form


def test_iso_8601_needs_no_format():
    assert date_format(["2015-03-01T10:00:00+01:00", "2015-03-02"]).format is None
