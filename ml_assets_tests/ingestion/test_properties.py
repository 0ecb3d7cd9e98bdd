"""Whatever a table holds, it comes back from every format as it was."""

import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.ingestion.csv_rows import CSVRows
from ml_assets.ingestion.json_rows import JSONRows
from ml_assets.ingestion.parquet_rows import ParquetRows
from ml_assets.ingestion.quotes import cut, records

COLUMNS = ["visit_id", "visited_at", "state", "note"]

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
cp1252 = st.text(st.sampled_from("aZ 0,;\"'\n\r\t\u20ac\u00e9\u00fc\u201c\u0178"), max_size=30)
few_bytes = st.sampled_from([13, 64, 1 << 20])

relaxed = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def tables(cells):
    row = st.tuples(*[cells] * len(COLUMNS)).filter(any)
    return st.lists(row, min_size=1, max_size=12)


def read(rows):
    table = pa.Table.from_batches(list(rows.batches()))
    assert table["_row"].to_pylist() == list(range(1, len(table) + 1))
    assert table["_fault"].null_count == len(table)
    return [tuple(row.values()) for row in table.select(COLUMNS).to_pylist()]


def written(tmp_path, content, name) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def objects(rows, is_ascii):
    found = (dict(zip(COLUMNS, row, strict=True)) for row in rows)
    return [json.dumps(each, ensure_ascii=is_ascii) for each in found]


class Layout(NamedTuple):
    """How a table is written down."""

    delimiter: str
    newline: str
    quotes_all: bool
    encoding: str
    block_bytes: int

    def csv(self, rows):
        """The rows as a CSV; a field is quoted where it has to be, or always."""
        return self.newline.join(
            self.delimiter.join(map(self._field, row)) for row in rows
        ).encode(self.encoding)

    def _field(self, text):
        special = set(text) & {self.delimiter, '"', "\n", "\r"}
        return '"' + text.replace('"', '""') + '"' if special or self.quotes_all else text


layouts = st.builds(
    Layout,
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quotes_all=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    block_bytes=few_bytes,
)


class TestCSV:
    @relaxed
    @given(rows=tables(texts), layout=layouts)
    def test_comes_back(self, tmp_path, reading, rows, layout):
        path = written(tmp_path, layout.csv([COLUMNS, *rows]), "a.csv")

        assert read(CSVRows(path, reading, block_bytes=layout.block_bytes)) == rows

    @relaxed
    @given(rows=tables(cp1252), layout=layouts)
    def test_comes_back_from_cp1252(self, tmp_path, reading, rows, layout):
        layout = layout._replace(encoding="cp1252")
        rows = [*rows, ("\u20ac",) * 4]
        path = written(tmp_path, layout.csv([COLUMNS, *rows]), "a.csv")

        assert read(CSVRows(path, reading, block_bytes=layout.block_bytes)) == rows


class TestJSON:
    @relaxed
    @given(rows=tables(st.none() | texts), is_ascii=st.booleans(), block_bytes=few_bytes)
    def test_comes_back_from_lines(self, tmp_path, reading, rows, is_ascii, block_bytes):
        path = written(tmp_path, "\n".join(objects(rows, is_ascii)).encode(), "a.json")

        assert read(JSONRows(path, reading, block_bytes=block_bytes)) == rows

    @relaxed
    @given(rows=tables(st.none() | texts), is_ascii=st.booleans(), block_bytes=few_bytes)
    def test_comes_back_from_an_array(self, tmp_path, reading, rows, is_ascii, block_bytes):
        text = f"[{', '.join(objects(rows, is_ascii))}]"
        path = written(tmp_path, text.encode(), "a.json")

        assert read(JSONRows(path, reading, block_bytes=block_bytes)) == rows


class TestParquet:
    @relaxed
    @given(rows=tables(st.none() | texts), is_dictionary=st.booleans())
    def test_comes_back(self, tmp_path, reading, rows, is_dictionary):
        columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
        if is_dictionary:
            columns = [column.dictionary_encode() for column in columns]
        pq.write_table(pa.table(columns, COLUMNS), tmp_path / "a.parquet")

        assert read(ParquetRows(tmp_path / "a.parquet", reading)) == rows


class TestGrammar:
    """The ends of rows are found where Arrow, which reads the values, finds them."""

    @staticmethod
    def by_arrow(block, width):
        """Rows of `width` fields; Arrow keeps a line without a character as empty fields."""
        names = [str(i) for i in range(width)]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
            pyarrow.csv.ParseOptions(
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=lambda _: "skip",
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        rows = [list(row.values()) for row in table.to_pylist()]
        return [row for row in rows if any(row)]

    @relaxed
    @given(block=st.text(st.sampled_from('ab,"\n\r'), min_size=1, max_size=40).map(str.encode))
    def test_has_the_same_records(self, block):
        found = list(records(block, b","))
        if found[-1].open_quote is not None:
            return

        for width in {len(record.fields) for record in found}:
            fields = [[f.decode() for f in r.fields] for r in found if len(r.fields) == width]
            assert [row for row in fields if any(row)] == self.by_arrow(block, width)

    @relaxed
    @given(block=st.text(st.sampled_from('ab,"\n'), max_size=40).map(str.encode))
    def test_is_the_same_with_and_without_looking_at_each_field(self, block):
        found = list(records(block, b","))

        last = found[-1] if found else None
        ends = [0, *(record.end for record in found if record.is_whole)]
        assert cut(block, b",") == (ends[-1], last and last.open_quote)

    @pytest.mark.parametrize("block", [b'a,5" pipe\nb,"c', b'"a"b"c,\n"'])
    def test_knows_a_quote_that_only_is_a_character(self, block):
        end, open_quote = cut(block, b",")

        assert block[:end].endswith(b"\n")
        assert block[open_quote or 0 :][:1] == b'"'
