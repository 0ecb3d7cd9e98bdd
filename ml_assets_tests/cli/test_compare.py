import numpy as np
import pyarrow as pa
import pytest
from quick import BAD, GOOD

from ml_assets.cli.comparison import Place, compare_tables
from ml_assets.errors import TableNotFound
from ml_assets.storage import Commit

COMMIT = Commit(run_id="r", code_hash="c", fingerprint="f")


@pytest.fixture
def write(home):
    def written(partition, **columns):
        home.lake.write("loans/validated", partition, pa.table(columns), commit=COMMIT)

    return written


def found(home, a="loans/validated@a", b="loans/validated@b"):
    return compare_tables(home.lake, Place.parsed(a), Place.parsed(b))


class TestTables:
    def test_that_are_the_same_have_no_differences(self, home, write, rng):
        values = rng.normal(size=100)
        write("a", amount=values, purpose=["car", "home"] * 50)
        write("b", amount=values, purpose=["car", "home"] * 50)

        assert found(home) == []

    def test_are_ranked_by_the_size_of_the_difference(self, home, write, rng):
        write("a", little=rng.normal(size=500), much=rng.normal(size=500))
        write("b", little=rng.normal(0.3, size=500), much=rng.normal(3.0, size=500))

        names = [each.name for each in found(home) if each.aspect == "mean"]

        assert names == ["much", "little"]

    def test_measure_means_in_standard_deviations(self, home, write):
        write("a", amount=[0.0, 2.0])
        write("b", amount=[3.0, 5.0])

        (mean,) = [each for each in found(home) if each.aspect == "mean"]

        assert (mean.a, mean.b, mean.size) == (1.0, 4.0, 3.0)

    def test_name_a_shift_of_the_balance(self, home, write):
        write("a", repaid=[True, False] * 100)
        write("b", repaid=[True] * 140 + [False] * 60)

        (shift,) = [each for each in found(home) if each.aspect == "distribution"]

        assert (shift.name, shift.a, shift.b) == ("repaid", "true: 50%", "true: 70%")
        assert shift.size == pytest.approx(0.2 * np.log(7 / 3), rel=0.02)

    def test_count_what_is_missing(self, home, write):
        write("a", amount=[1.0, 2.0, 3.0, 4.0])
        write("b", amount=[1.0, None, None, 4.0])

        (gap,) = [each for each in found(home) if each.aspect == "missing"]

        assert (gap.a, gap.b, gap.size) == (0.0, 0.5, 0.5)

    def test_put_another_schema_first(self, home, write):
        write("a", amount=[1.0], old=["x"])
        home.lake.write("loans/features", "a", pa.table({"amount": ["1"]}), commit=COMMIT)

        differences = found(home, "loans/validated@a", "loans/features")

        assert [(each.aspect, each.name) for each in differences[:2]] == [
            ("schema", "amount"),
            ("schema", "old"),
        ]

    def test_say_what_there_is_when_one_is_not(self, home, write):
        write("a", amount=[1.0])

        with pytest.raises(
            TableNotFound, match="no loans/validated@b; there are the partitions a"
        ):
            found(home)
        with pytest.raises(
            TableNotFound, match="no loans/raw; there are the tables loans/validated"
        ):
            found(home, "loans/validated", "loans/raw")

    def test_do_not_stumble_over_columns_that_are_empty(self, home, write):
        write("a", amount=pa.array([None, None], pa.float64()), word=pa.array([None, "x"]))
        write("b", amount=pa.array([None, 1.0], pa.float64()), word=pa.array([None, "x"]))

        assert {each.name for each in found(home)} == {"amount"}


class TestTheCommand:
    def test_shows_what_is_wrong_with_a_month(self, call, played):
        a, b = f"complaints/raw@{GOOD[0]}", f"complaints/raw@{BAD}"

        called = call("compare", a, b, "--home", played.home, "--json")

        states = [each for each in called.facts if each["name"] == "state"]
        assert called.exit_code == 0
        assert any(each["aspect"] == "distribution" for each in states)

    def test_is_a_table_for_people(self, call, played):
        places = [f"complaints/validated@{month}" for month in GOOD[:2]]

        called = call("compare", *places, "--home", played.home)

        assert "differences" in called.out
        assert "distribution" in called.out

    def test_of_a_model_with_itself_finds_nothing(self, call, played):
        called = call("compare", "1.0.0", "complaints:1.0.0", "--home", played.home, "--json")

        assert called.facts == []

    @pytest.mark.parametrize(
        ("a", "b", "words"),
        [
            ("complaints/raw", "1.0.0", "one is a table, the other a model"),
            ("9.9.9", "1.0.0", "There is no model '9.9.9'"),
        ],
    )
    def test_refuses_what_cannot_be_compared(self, call, played, a, b, words):
        called = call("compare", a, b, "--home", played.home)

        assert called.exit_code == 1
        assert words in called.err
