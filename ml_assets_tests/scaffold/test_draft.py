"""What is guessed of a file: the part of every column, the metric, the split, and what is refused."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sheets import churn, flats, orders

from ml_assets.errors import InsufficientData, ProblemError, SourceError
from ml_assets.scaffold import Asked, draft
from ml_assets.scaffold.leakage import power

TODAY = dt.date(2026, 1, 1)
ROWS = 300


def drafted(file, target, **asked):
    return draft(Asked(name="trial", file=file, target=target, **asked), today=TODAY)


def roles(found):
    return {placed.name: placed.role for placed in found.columns}


def why(found, name):
    return next(placed.why for placed in found.columns if placed.name == name)


@pytest.fixture
def sheet(tmp_path):
    """Write a file of some columns, beside a target without any relation to them."""

    def write(**columns):
        rng = np.random.default_rng(0)
        df = pd.DataFrame({"size": rng.normal(size=ROWS).round(3), **columns})
        if "y" not in df:
            df["y"] = rng.choice(["yes", "no"], ROWS)
        path = tmp_path / "rows.csv"
        df.to_csv(path, index=False)
        return path

    return write


class TestNumbersAsPeopleWriteThem:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, tmp_path_factory):
        return drafted(flats(tmp_path_factory.mktemp("flats")), "Price")

    def test_are_a_regression_by_a_share_of_the_label(self, found):
        assert found.kind == "regression"
        assert found.kpi.metric == "median_ape"
        assert "above zero" in found.kpi.why
        assert found.is_log

    def test_are_numbers_with_their_signs_and_units(self, found):
        assert found.spelling.marks.around == ("$", "m2")
        assert found.spelling.marks.thousands == ","
        assert "?" in found.spelling.missing
        assert {each.name: each.kind for each in found.columns}["living_area"] == "number"

    def test_with_leading_zeros_are_the_id(self, found):
        assert roles(found)["flat_id"] == "id"

    def test_that_are_named_like_the_target_are_put_aside(self, found):
        assert roles(found)["price_per_m2"] == "ignored"
        assert why(found, "price_per_m2") == "its name begins like the target's"

    def test_without_a_time_are_one_partition_and_split_by_id(self, found):
        assert roles(found)["recorded_at"] == "time"
        assert (found.cutting.partitions, found.cutting.split) == (1, "entity")


class TestARareEvent:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, tmp_path_factory):
        return drafted(churn(tmp_path_factory.mktemp("churn")), "churned")

    def test_is_measured_by_what_looks_at_it(self, found):
        assert found.kpi.metric == "average_precision"
        assert "always saying no is right in" in found.kpi.why
        assert found.mean_label < 0.2 < found.kpi.floor * 2

    def test_keeps_people_out_of_the_features(self, found):
        kept = [each.name for each in found.columns if each.is_protected]

        assert kept == ["gender"]
        assert roles(found)["e_mail"] == roles(found)["zip"] == "sensitive"

    def test_puts_aside_what_knows_it(self, found):
        assert roles(found)["closing_reason"] == "ignored"
        assert "almost perfectly (ROC AUC 1.000)" in why(found, "closing_reason")


class TestDates:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, tmp_path_factory):
        return drafted(orders(tmp_path_factory.mktemp("orders")), "Late?")

    def test_say_when_the_newest_rows_are_held_out(self, found):
        assert roles(found)["ordered_on"] == "time"
        assert found.spelling.date_formats == ("%d/%m/%Y",)
        assert (found.cutting.grain, found.cutting.split) == ("monthly", "time")

    def test_after_the_event_are_put_aside(self, found):
        assert roles(found)["delivered_on"] == "ignored"
        assert "after ordered_on in 100% of the rows" in why(found, "delivered_on")

    def test_beside_the_rarer_of_two_words_is_the_positive_one(self, found):
        assert (found.yes, found.no) == (("1", "late"), ("0", "on time"))

    def test_that_cannot_be_decided_are_said(self, sheet):
        day = np.tile(["03/04/2020", "05/01/2020", "02/09/2020"], ROWS // 3)

        found = drafted(sheet(on=day), "y")

        assert "whether the day or the month comes first cannot be decided" in found.notes[0]

    def test_are_decided_by_who_knows(self, sheet):
        day = np.tile(["03/04/2020", "05/01/2020", "02/09/2020"], ROWS // 3)

        found = drafted(sheet(on=day), "y", date_style="%m/%d/%Y")

        assert found.notes == ()
        assert found.spelling.date_formats == ("%m/%d/%Y",)

    def test_in_two_ways_are_not_mixed_up(self, sheet):
        days = pd.date_range("2020-01-01", periods=ROWS)

        found = drafted(sheet(a=days.strftime("%m/%d/%Y"), b=days.strftime("%d/%m/%Y")), "y")

        assert {each.name: each.kind for each in found.columns}["b"] == "text"
        assert found.spelling.date_formats == ("%m/%d/%Y",)


class TestAColumn:
    def test_that_is_the_target_in_other_words_is_put_aside(self, sheet):
        y = np.tile([0, 1, 1], ROWS // 3)

        found = drafted(sheet(flag=np.where(y, "gone", "here"), y=y), "y")

        assert roles(found)["flag"] == "ignored"

    def test_that_is_missing_where_the_label_is_no_is_put_aside(self, sheet):
        y = np.tile([0, 1, 1], ROWS // 3)
        until = pd.Series(np.arange(ROWS) % 50).where(y == 1).astype("Int64").astype("string")

        found = drafted(sheet(months_until=until, y=y), "y")

        assert roles(found)["months_until"] == "ignored"

    def test_that_is_merely_good_stays(self, sheet):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, ROWS)

        found = drafted(sheet(score=y + rng.normal(size=ROWS), y=y), "y")

        assert roles(found)["score"] == "input"

    @pytest.mark.parametrize(
        ("values", "reason"), [([""] * ROWS, "empty in every row"), (["x"] * ROWS, "the same")]
    )
    def test_that_says_nothing_is_ignored(self, sheet, values, reason):
        found = drafted(sheet(nothing=values), "y")

        assert roles(found)["nothing"] == "ignored"
        assert reason in why(found, "nothing")

    def test_with_a_name_that_python_or_a_table_has_taken_gets_another(self, sheet):
        columns = {"class": ["a", "b"] * (ROWS // 2), "label": [1.5, 2.5] * (ROWS // 2)}

        found = drafted(sheet(**columns, **{"2nd Größe": range(ROWS)}), "y")

        assert {"class_value", "label_value", "c_2nd_grosse"} <= set(roles(found))

    def test_about_people_is_kept_for_the_audit_however_many_values_it_has(self, sheet):
        found = drafted(sheet(birth_place=[f"village {row}" for row in range(ROWS)]), "y")

        assert roles(found)["birth_place"] == "sensitive"
        assert [each.name for each in found.columns if each.is_protected] == ["birth_place"]

    def test_of_one_value_in_every_row_is_no_id_where_it_numbers_the_rows(self, sheet):
        found = drafted(sheet(**{"Unnamed: 0": range(ROWS)}), "y")

        assert roles(found)["unnamed_0"] == "ignored"
        assert roles(found)["row_id"] == "id"


class TestRefused:
    def test_is_a_target_of_many_classes_with_what_to_do(self, sheet):
        path = sheet(y=np.tile(["red", "green", "blue"], ROWS // 3))

        with pytest.raises(ProblemError, match=r"has 3 classes .* --positive VALUE"):
            drafted(path, "y")
        assert drafted(path, "y", positive="red").mean_label == pytest.approx(1 / 3)

    def test_is_a_target_of_prose(self, sheet):
        with pytest.raises(
            ProblemError, match=r"300 different texts.*a number, or with yes and no"
        ):
            drafted(sheet(y=[f"a remark, number {row}" for row in range(ROWS)]), "y")

    def test_is_a_target_that_never_changes(self, sheet):
        with pytest.raises(ProblemError, match="says the same in every row"):
            drafted(sheet(y=["yes"] * ROWS), "y")

    def test_is_a_class_that_hardly_occurs(self, sheet):
        with pytest.raises(InsufficientData, match="The class yes of 'y' needs at least 20"):
            drafted(sheet(y=["yes"] * 5 + ["no"] * (ROWS - 5)), "y")

    def test_is_a_column_that_is_not_there_with_the_nearest(self, sheet):
        with pytest.raises(
            ProblemError, match=r"--target 'sise' is no column .* Did you mean 'size'"
        ):
            drafted(sheet(), "sise")

    def test_is_a_time_that_is_none(self, sheet):
        with pytest.raises(ProblemError, match="--time 'size' has no times that can be read"):
            drafted(sheet(), "y", time="size")

    def test_is_a_file_without_a_header(self, tmp_path):
        path = tmp_path / "bare.csv"
        path.write_text("1,2,3\n" * ROWS)

        with pytest.raises(
            SourceError, match=r"bare.csv has no header.*Put them into the first line"
        ):
            drafted(path, "y")

    def test_is_a_file_of_few_rows(self, tmp_path):
        path = tmp_path / "few.csv"
        path.write_text("a,y\n" + "1,yes\n2,no\n" * 20)

        with pytest.raises(InsufficientData, match=r"few.csv needs at least 100 rows, got 40"):
            drafted(path, "y")

    def test_is_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceError, match=r"There is no file .* --csv FILE"):
            drafted(tmp_path / "none.csv", "y")


class TestPower:
    def test_of_the_label_itself_is_perfect(self):
        y = np.random.default_rng(0).normal(size=2_000)

        assert power(y, y, is_binary=False) > 0.99
        assert power(np.sign(y), (y > 0).astype(float), is_binary=True) == 1.0

    def test_of_names_of_their_own_is_none(self):
        y = np.random.default_rng(0).integers(0, 2, 2_000).astype(float)

        assert 0.45 < power(np.arange(2_000.0) % 900, y, is_binary=True) < 0.55
