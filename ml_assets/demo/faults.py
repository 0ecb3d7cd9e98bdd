"""What is planted, and where: pure functions over the rows or the text of one month's file."""

from typing import NamedTuple

import numpy as np
import pandas as pd

UNKNOWN_PRODUCT = "Cryptocurrency wallet"
UNKNOWN_SHARE = 0.15
COPIES = 4
REVISED_ROWS = 25
SHIFTED_RATE = 0.7
USUAL_RATE = 0.5
DAYS = ("within 3 days", "within 15 days", "after 60 days")


class Planted(NamedTuple):
    """One fault."""

    fault: str
    month: str
    what: str
    """What was done, for a person."""


CUT = Planted("broken file", "2015-02", "its last record is cut inside a quoted text")
SHIFTED = Planted("class balance", "2015-04", "50/50 becomes 70/30")
UNKNOWN = Planted(
    "unknown categories", "2015-06", f"15% of the products are {UNKNOWN_PRODUCT!r}"
)
COPIED = Planted(
    "duplicate ids", "2015-08", f"{COPIES} ids occur twice, with different answers"
)
RETYPED = Planted("changed type", "2015-10", "timely_response is a text of days, not yes or no")
REVISED = Planted("revised old month", "2014-05", f"{REVISED_ROWS} labels are corrected later")
REPAIRED = Planted("repaired file", "2015-02", "the broken file is delivered again, whole")

AT_FIRST = (CUT, SHIFTED, UNKNOWN, COPIED, RETYPED)
LATER = (REVISED, REPAIRED)


def with_unknown_products(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows, some of them about a product that nobody announced."""
    unknown = rng.random(len(rows)) < UNKNOWN_SHARE
    return rows.assign(product=rows["product"].mask(unknown, UNKNOWN_PRODUCT))


def with_copies(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, the first ones a second time with another answer."""
    again = rows.head(COPIES).assign(company_response_to_consumer="Closed")
    return pd.concat([rows, again], ignore_index=True)


def with_days_for_yes_and_no(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows, with a text of days where a yes or no was promised."""
    return rows.assign(timely_response=rng.choice(DAYS, len(rows)))


def revised(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of the rows that their sender corrects later, with the opposite label."""
    some = rows.head(REVISED_ROWS)
    return some.assign(
        consumer_disputed=some["consumer_disputed"].map({"Yes": "No", "No": "Yes"})
    )


def cut_inside_a_quote(text: str) -> str:
    """The text up to the middle of its last quoted field."""
    closing = text.rindex('"')
    opening = text.rindex('"', 0, closing)
    return text[: (opening + closing) // 2]
