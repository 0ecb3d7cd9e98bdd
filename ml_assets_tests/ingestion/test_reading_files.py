"""What is in a file arrives in raw as it is, or the file is refused with what is wrong in it."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.errors import SourceError
from ml_assets.ingestion.csv_rows import CSVRows
from ml_assets.ingestion.json_rows import JSONRows
from ml_assets.ingestion.parquet_rows import as_text

CSV = "visit_id,visited_at,state,note\n"


def reason(done):
    assert len(done.refused_files) == 1
    return done.refused_files[0].reason


class TestCSV:
    def test_keeps_newlines_quotes_and_delimiters_inside_quotes(self, deliver, take_in, raw):
        deliver("a.csv", CSV + '1,03/01/2015,NY,"two\nlines, ""quoted"""\n')

        take_in()

        assert raw("visit_id", "note", "_row") == [("1", 'two\nlines, "quoted"', 1)]

    def test_trims_nothing_and_keeps_empty_text_apart_from_null(self, deliver, take_in, raw):
        deliver("a.csv", "visit_id,visited_at,state\n 1 ,03/01/2015,\n")

        take_in()

        assert raw("visit_id", "state", "note") == [(" 1 ", "", None)]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_finds_the_delimiter(self, deliver, take_in, raw, delimiter):
        text = CSV + "1,03/01/2015,NY,a:b\n"
        deliver("a.csv", text.replace(",", delimiter))

        take_in()

        assert raw("visit_id", "state", "note") == [("1", "NY", "a:b")]

    @pytest.mark.parametrize(
        "encode",
        [
            lambda text: text.encode("utf-8"),
            lambda text: text.encode("utf-8-sig"),
            lambda text: text.encode("cp1252"),
        ],
        ids=["utf-8", "utf-8 with a mark", "cp1252"],
    )
    def test_finds_the_encoding(self, deliver, take_in, raw, encode):
        deliver("a.csv", encode(CSV + "1,03/01/2015,NY,caf\u00e9 \u201cfin\u201d\n"))

        take_in()

        assert raw("visit_id", "note") == [("1", "caf\u00e9 \u201cfin\u201d")]

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_ends_rows_at_every_kind_of_newline(self, deliver, take_in, raw, newline):
        text = CSV + "1,03/01/2015,NY,x\n2,03/02/2015,NJ,y\n"
        deliver("a.csv", text.replace("\n", newline))

        done = take_in()

        assert raw("visit_id", "_row") == [("1", 1), ("2", 2)]
        assert done.files[0].blank_rows == 0

    def test_maps_headers_by_spelling_and_alias(self, deliver, take_in, raw):
        deliver("a.csv", "ID,Visited At,STATE,Comment,Mood\n1,03/01/2015,NY,x,:)\n")

        done = take_in()

        assert raw("visit_id", "state", "note") == [("1", "NY", "x")]
        assert done.ignored_columns == ("Mood",)
        assert done.absent_columns == ("was_happy",)

    def test_keeps_a_ragged_row_with_its_fault_and_all_of_its_fields(
        self, deliver, take_in, raw
    ):
        deliver("a.csv", CSV + '1,03/01/2015,NY,x\n2,03/02/2015,NJ,"y",z,"q,r"\n3,03/03/2015\n')

        done = take_in()

        assert raw("visit_id", "note", "_row", "_fault") == [
            ("1", "x", 1, None),
            ("2", "y", 2, 'ragged: 6 fields, 4 expected; beyond the last column: ["z", "q,r"]'),
            ("3", None, 3, "ragged: 2 fields, 4 expected"),
        ]
        assert done.files[0].faulty_rows == 2

    def test_leaves_blank_rows_out_and_counts_them(self, deliver, take_in, raw):
        deliver("a.csv", CSV + '\n1,03/01/2015,NY,x\n\n   \n,,,\n""\n2,03/02/2015,NJ,y\n\n')

        done = take_in()

        assert raw("visit_id", "_row") == [("1", 1), ("2", 2)]
        assert (done.files[0].rows, done.files[0].blank_rows) == (2, 6)

    def test_keeps_a_mark_that_is_text(self, deliver, take_in, raw):
        deliver("a.csv", (CSV + "\ufeff1,03/01/2015,NY,x\n").encode())

        take_in()

        assert raw("visit_id") == [("\ufeff1",)]

    @pytest.mark.parametrize("rows_before", [0, 3])
    def test_refuses_a_file_that_ends_inside_a_quote(self, deliver, take_in, home, rows_before):
        rows = '1,03/01/2015,NY,"fine\nand well"\n' * rows_before
        deliver("a.csv", CSV + rows + '2,03/02/2015,NJ,"cut\nhere, and')

        said = reason(take_in())

        line = 2 + 2 * rows_before
        assert f"a.csv ends inside a quoted text: the quote that opens in line {line} " in said
        assert home.lake.tables() == []

    def test_refuses_a_quote_that_swallows_the_rest_of_a_large_file(self, deliver, reading):
        rows = "2,03/01/2015,NY,x\n"
        path = deliver("a.csv", CSV + rows * 50 + '1,03/01/2015,NY,"x\n' + rows * 5_000)

        file = CSVRows(path, reading, block_bytes=1 << 12, longest_row_bytes=1 << 14)

        with pytest.raises(SourceError, match="near line 52: probably a quote"):
            list(file.batches())

    def test_refuses_text_before_the_header(self, deliver, take_in):
        deliver("a.csv", "Visits, all of them\nexported today\n" + CSV + "1,03/01/2015,NY,x\n")

        assert "line 3 looks like the header. Delete the 2 lines above it" in reason(take_in())

    def test_refuses_a_file_without_header(self, deliver, take_in):
        deliver("a.csv", "1,03/01/2015,NY,x\n2,03/02/2015,NJ,y\n")

        said = reason(take_in())

        assert "a.csv has no header: its first line ('1', '03/01/2015', 'NY', 'x')" in said
        assert "visit_id, visited_at, state, note, was_happy" in said

    def test_refuses_a_file_that_lacks_a_required_column_and_names_the_nearest(
        self, deliver, take_in
    ):
        deliver("a.csv", "visit_id,visited_at,stat\n1,03/01/2015,NY\n")

        said = reason(take_in())

        assert "a.csv lacks a column that every source must have: state" in said
        assert "nearest name seen: 'stat'" in said

    def test_refuses_two_columns_for_one(self, deliver, take_in):
        deliver("a.csv", "visit_id,visited_at,state,Note,comment\n1,03/01/2015,NY,x,y\n")

        assert "2 columns for note: 'Note', 'comment'" in reason(take_in())

    def test_takes_two_columns_of_one_name_when_the_contract_has_neither(
        self, deliver, take_in, raw
    ):
        deliver("a.csv", "visit_id,visited_at,state,x,x\n1,03/01/2015,NY,1,2\n")

        done = take_in()

        assert raw("visit_id") == [("1",)]
        assert done.ignored_columns == ("x",)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "a.csv is empty: 0 bytes"),
            (b"\n\n  \n", "a.csv holds blank lines only"),
            (CSV.encode(), "a.csv has a header and no rows"),
            (
                (CSV + "1,03/01/2015,NY,x\n2,03/0\0/2015,NY,y\n").encode(),
                "NUL byte in line 3",
            ),
            (CSV.encode("utf-16"), "a.csv is UTF-16; needed is UTF-8 or cp1252"),
            (
                CSV.encode() + b"1,03/01/2015,NY,x\n2,03/01/2015,NY,caf\x81\n",
                "neither UTF-8 nor cp1252: the byte 0x81 in line 3",
            ),
            (
                (CSV + "1,03/01/2015,NY,caf\u00e9 \u00fc\n").encode()
                + b"2,03/01/2015,NY,\xe9\n",
                "a.csv is UTF-8, but damaged in line 3: the byte 0xe9",
            ),
        ],
        ids=["empty", "blank", "header only", "NUL", "UTF-16", "neither", "damaged"],
    )
    def test_refuses_what_is_no_csv(self, deliver, take_in, content, said):
        deliver("a.csv", content)

        assert said in reason(take_in())

    def test_reads_rows_across_blocks(self, deliver, reading):
        rows = [f'{i},03/01/2015,NY,"note {i}\n\u00e9{"x" * (i % 90)}"\r\n' for i in range(200)]
        path = deliver("a.csv", CSV + "".join(rows[:100]) + "bad\r\n" + "".join(rows[100:]))

        batches = list(CSVRows(path, reading, block_bytes=64).batches())

        table = pa.Table.from_batches(batches)
        assert table["_row"].to_pylist() == list(range(1, 202))
        assert table["visit_id"].to_pylist() == [
            *map(str, range(100)),
            "bad",
            *map(str, range(100, 200)),
        ]
        assert table["note"][55].as_py() == f"note 55\n\u00e9{'x' * 55}"
        assert table["_fault"].null_count == 200
        assert len(batches) > 100


LINE = '{"visit_id": %s, "visited_at": "03/01/2015", "state": "NY", "note": %s}\n'


class TestJSON:
    def test_keeps_numbers_as_they_are_written(self, deliver, take_in, raw):
        deliver("a.jsonl", LINE % ("12345678901234567890", "1.50") + LINE % ("1e3", "-0.0"))

        take_in()

        assert raw("visit_id", "note") == [("12345678901234567890", "1.50"), ("1e3", "-0.0")]

    def test_keeps_null_absent_and_empty_apart(self, deliver, take_in, raw):
        text = LINE % ('"1"', "null") + LINE % ('"2"', '""')
        deliver(
            "a.jsonl", text + '{"visit_id": "3", "visited_at": "03/01/2015", "state": "NY"}'
        )

        take_in()

        assert raw("visit_id", "note") == [("1", None), ("2", ""), ("3", None)]

    def test_makes_text_of_whatever_else_there_is(self, deliver, take_in, raw):
        nested = '{"a": [1.0, true, null, "\u00fc"]}'
        deliver("a.json", LINE % ('"1"', "true") + LINE % ('"2"', nested))

        take_in()

        assert raw("visit_id", "note") == [("1", "true"), ("2", nested)]

    def test_keeps_a_line_that_is_not_json_with_its_fault_and_its_text(
        self, deliver, take_in, raw
    ):
        good = LINE % ('"1"', '"x"')
        deliver("a.jsonl", good + "oops\n\n[1]\n" + '{"note": 1, "note": 2}\n')

        done = take_in()

        assert raw("_row", "visit_id", "_fault") == [
            (1, "1", None),
            (2, None, "not JSON: Expecting value at column 1: oops"),
            (3, None, "not a JSON object: [1]"),
            (4, None, 'key \'note\' twice: {"note": 1, "note": 2}'),
        ]
        assert (done.files[0].faulty_rows, done.files[0].blank_rows) == (3, 1)

    def test_keeps_half_a_surrogate_pair_as_a_fault(self, deliver, take_in, raw):
        deliver("a.jsonl", LINE % ('"1"', r'"\ud83d\ude00"') + LINE % ('"2"', r'"\ud83d"'))

        take_in()

        (bad, good) = raw("visit_id", "note", "_fault")
        assert good == ("1", "\U0001f600", None)
        assert bad[2].startswith("half a surrogate pair, which is no text: {")

    def test_refuses_lines_that_were_cut(self, deliver, take_in):
        deliver("a.jsonl", LINE % ('"1"', '"x"') + '{"visit_id": "2", "visi')

        assert "a.jsonl line 2 is not JSON" in (said := reason(take_in()))
        assert "the file ends without a newline, so it was cut" in said

    def test_refuses_a_first_line_that_is_not_json(self, deliver, take_in):
        deliver("a.jsonl", CSV + "1,03/01/2015,NY,x\n")

        assert "a.jsonl line 1 is not JSON" in reason(take_in())

    def test_reads_an_array_however_it_is_laid_out(self, deliver, take_in, raw):
        rows = [LINE % (f'"{i}"', f'"{i}, [{{"') for i in range(3)]
        deliver("a.json", " [\n" + " ,\n".join(rows) + "\n]\n")

        take_in()

        assert raw("visit_id", "note", "_row") == [
            (str(i), f"{i}, [{{", i + 1) for i in range(3)
        ]

    def test_reads_an_array_across_blocks(self, deliver, reading):
        rows = [LINE % (f'"{i}"', f'"\u00fc{"x" * (i % 40)}"') for i in range(100)]
        path = deliver("a.json", "[" + ",".join(rows) + "]")

        batches = list(JSONRows(path, reading, block_bytes=32).batches())

        table = pa.Table.from_batches(batches)
        assert table["visit_id"].to_pylist() == [str(i) for i in range(100)]
        assert table["note"][39].as_py() == "\u00fc" + "x" * 39

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('[{"a": 1},\n {"a": tru}]', "Expecting value in line 2, column 8"),
            (
                '[{"a": 1},\n {"a": "x',
                "Unterminated string in line 2, column 8, and the file ends before",
            ),
            (
                '[{"a": 1}\n',
                "Expecting ',' or ']' in line 2, column 1, and the file ends before",
            ),
            ('[{"a": 1}] []', "Extra data in line 1, column 12"),
            ('[{"a": 1},]', "Expecting value in line 1, column 11"),
        ],
        ids=["error", "cut in a text", "cut after a value", "two arrays", "comma"],
    )
    def test_refuses_an_array_with_an_error_and_says_where(self, deliver, take_in, text, said):
        deliver("a.json", text)

        assert said in reason(take_in())

    def test_refuses_rows_that_all_lack_a_required_key(self, deliver, take_in):
        deliver("a.jsonl", '{"visit_id": "1", "visited_at": "03/01/2015", "states": "NY"}\n')

        assert "state (nearest name seen: 'states')" in reason(take_in())


class TestParquet:
    def test_makes_texts_that_lose_nothing(self, inbox, take_in, raw):
        half_past_four_utc = pa.array(
            [1_425_270_600] * 2, pa.timestamp("s", "America/New_York")
        )
        table = pa.table(
            {
                "visit_id": pa.array([7, 8], pa.int64()),
                "visited_at": half_past_four_utc,
                "state": pa.array(["NY", "NY"]).dictionary_encode(),
                "note": pa.array([0.1, None], pa.float64()),
                "was_happy": pa.array([True, False]),
            }
        )
        pq.write_table(table, inbox / "a.parquet")

        take_in()

        assert raw("visit_id", "visited_at", "note", "was_happy") == [
            ("7", "2015-03-02T04:30:00Z", "0.1", "true"),
            ("8", "2015-03-02T04:30:00Z", None, "false"),
        ]

    @pytest.mark.parametrize(
        ("values", "texts"),
        [
            (
                pa.array([0, 1_500_000_000], pa.timestamp("ns")),
                ["1970-01-01T00:00:00", "1970-01-01T00:00:01.5"],
            ),
            (
                pa.array([0, 1], pa.timestamp("s")),
                ["1970-01-01T00:00:00", "1970-01-01T00:00:01"],
            ),
            (pa.array([0, 1], pa.date32()), ["1970-01-01", "1970-01-02"]),
            (pa.array([2**63, 0], pa.uint64()), ["9223372036854775808", "0"]),
            (pa.array([Decimal("1.50"), None]), ["1.50", None]),
            (pa.array([[1], None]), ["[1]", None]),
            (pa.array(["a", None], pa.string_view()), ["a", None]),
            (pa.nulls(2), [None, None]),
        ],
        ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
    )
    def test_makes_text_of_every_type(self, values, texts):
        assert as_text(values).to_pylist() == texts

    def test_refuses_a_file_that_was_cut(self, inbox, take_in):
        path = inbox / "a.parquet"
        pq.write_table(pa.table({"visit_id": ["1"] * 1000}), path)
        path.write_bytes(path.read_bytes()[:-100])

        assert "a.parquet is no whole Parquet file" in reason(take_in())

    def test_refuses_a_file_with_damaged_pages(self, inbox, take_in):
        path = inbox / "a.parquet"
        columns = {
            "visit_id": [str(i) for i in range(1000)],
            "visited_at": ["03/01/2015"] * 1000,
        }
        pq.write_table(pa.table({**columns, "state": ["NY"] * 1000}), path)
        content = bytearray(path.read_bytes())
        content[4:200] = b"\xff" * 196
        path.write_bytes(content)

        assert "a.parquet is no whole Parquet file" in reason(take_in())

    def test_refuses_a_file_that_lacks_a_required_column(self, inbox, take_in):
        pq.write_table(pa.table({"id": ["1"], "state": ["NY"]}), inbox / "a.parquet")

        assert "lacks a column that every source must have: visited_at" in reason(take_in())
