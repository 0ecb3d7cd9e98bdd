import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.errors import FeedbackError
from ml_assets.feedback import events_of, record_file


@pytest.fixture
def record(problem, home, now):
    return lambda path: record_file(problem, home, path, now=now)


@pytest.fixture
def said(problem, home):
    def events(ids):
        with home.store.connect() as connection:
            return events_of(connection, problem, ids)

    return events


def write(path, rows):
    """Write rows in the format that the suffix says."""
    match path.suffix:
        case ".csv":
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            path.write_text("\ufeff" + "\n".join(lines) + "\n")
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case ".json":
            path.write_text(json.dumps(rows))
        case _:
            path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl", "f.ndjson", "f.json", "f.parquet"])
def test_takes_labels_of_every_format(name, record, said, log, tmp_path):
    ids = log(3)
    rows = [
        {"prediction_id": each, "label": label, "at": "2026-11-19"}
        for each, label in zip(ids, [1, 0, 1], strict=True)
    ]

    receipt = record(write(tmp_path / name, rows))

    assert (receipt.taken, receipt.refused) == (3, ())
    found = {each.prediction_id: each for each in said(ids)}
    assert [found[each].value for each in ids] == [1, 0, 1]
    assert found[ids[0]].at.isoformat() == "2026-11-19T00:00:00+00:00"
    assert found[ids[0]].source == f"file:{name}"


def test_changes_nothing_when_it_comes_again(record, log, tmp_path):
    rows = [{"prediction_id": each, "label": 1} for each in log(3)]
    path = write(tmp_path / "f.csv", rows)
    record(path)

    receipt = record(path)

    assert (receipt.taken, receipt.repeated) == (0, 3)


def test_is_taken_without_the_lines_that_cannot_be_read(record, log, tmp_path):
    first, second = log(2)
    unknown = "01a1f640-bc00-7000-8000-000000000001"
    path = tmp_path / "f.csv"
    path.write_text(
        f"prediction_id,label\n{first},1\n{second},maybe\n{second},1,extra\n,1\n{unknown},0\n"
    )

    receipt = record(path)

    assert receipt.taken == 1
    assert [refusal.reason for refusal in receipt.refused] == [
        "line 3: label: 'maybe' is not a number",
        "line 4: 3 fields, 2 expected",
        "line 5: prediction_id: needs a text of at most 100 characters, got None",
        f"no prediction has the id {unknown}",
    ]


def test_names_the_lines_of_json_that_are_none(record, log, tmp_path):
    (known,) = log(1)
    path = tmp_path / "f.jsonl"
    path.write_text(f'{{"prediction_id": "{known}", "label": 1}}\n{{"predi\n[1]\n')

    receipt = record(path)

    assert receipt.taken == 1
    assert receipt.refused[0].reason.startswith("line 2: is not JSON")
    assert receipt.refused[1].reason == "line 3: is no JSON object"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "f.csv",
            b"id,label\n1,1\n",
            "f.csv needs a header with prediction_id .* got id, label",
        ),
        ("f.csv", b"", "f.csv needs a header with prediction_id and label, got nothing"),
        ("f.csv", b"prediction_id,label\n\xff\xfe,1\n", "Save it as CSV in UTF-8"),
        ("f.json", b"[{]", "f.json is not JSON"),
        ("f.parquet", b"PAR1", "f.parquet is not Parquet"),
        ("f.xlsx", b"", "feedback comes as .csv, .json, .jsonl, .ndjson or .parquet"),
    ],
)
def test_is_refused_whole_when_it_is_none(name, content, message, record, tmp_path):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(FeedbackError, match=message):
        record(tmp_path / name)


def test_is_refused_when_it_is_not_there(record, tmp_path):
    with pytest.raises(FeedbackError, match="There is no file"):
        record(tmp_path / "f.csv")
