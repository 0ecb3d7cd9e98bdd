"""Where complaints come from when there is no file: drawn, as an export would deliver them.

The bureau stopped publishing `consumer_disputed` in June 2026. With no snapshot at hand, `sample`
draws complaints that look like its export (text columns, American dates, masked zip codes, gaps)
and that hold a signal worth learning: the answer, the product and the consumer's own words shift
the odds of a dispute. Nobody's complaint is copied.
"""

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = (
    "date_received",
    "product",
    "sub_product",
    "issue",
    "sub_issue",
    "consumer_complaint_narrative",
    "company_public_response",
    "company",
    "state",
    "zip_code",
    "tags",
    "consumer_consent_provided",
    "submitted_via",
    "date_sent_to_company",
    "company_response_to_consumer",
    "timely_response",
    "consumer_disputed",
    "complaint_id",
)
"""In the order of the bureau's export."""

START = dt.date(2014, 1, 1)
END = dt.date(2015, 12, 31)
FIRST_ID = 1_000_000


class Line(NamedTuple):
    """One product: how often it is complained about, and what people write about it."""

    product: str
    share: float
    odds: float
    sub_products: tuple[str, ...]
    issues: tuple[str, ...]
    companies: tuple[str, ...]
    phrases: tuple[str, ...]


BANKS = (
    "First Harbor Bank",
    "Union Prairie Bank",
    "Meridian National Bank",
    "Granite State Savings",
    "Pacific Crest Bank",
    "Old Dominion Trust",
)
BUREAUS = ("Northstar Credit Information", "TriData Bureau", "Clearfile Services")
COLLECTORS = (
    "Apex Recovery Group",
    "Lakeside Receivables",
    "Sterling Account Services",
    "Hudson Collection Partners",
    "Ridgeway Recovery LLC",
)
SERVICERS = ("Homestead Loan Servicing", "Bayview Mortgage Services", "Summit Home Lending")

LINES = (
    Line(
        "Debt collection",
        0.27,
        0.15,
        ("Medical", "Credit card", "Payday loan", "I do not know"),
        (
            "Cont'd attempts collect debt not owed",
            "Communication tactics",
            "Disclosure verification of debt",
        ),
        COLLECTORS,
        (
            "I keep getting calls about a debt that is not mine.",
            "They never sent me a validation letter for this account.",
            "The collector called my employer and my neighbors.",
            "The amount they ask for was paid in full years ago.",
        ),
    ),
    Line(
        "Mortgage",
        0.23,
        0.35,
        ("Conventional fixed mortgage", "FHA mortgage", "Home equity loan or line of credit"),
        (
            "Loan servicing, payments, escrow account",
            "Loan modification,collection,foreclosure",
            "Settlement process and costs",
        ),
        SERVICERS,
        (
            "My escrow account was analyzed wrong and the payment went up.",
            "We sent the loan modification package four times.",
            "They started foreclosure while the application was pending.",
            "The servicer lost our property tax payment.",
        ),
    ),
    Line(
        "Credit reporting",
        0.19,
        -0.20,
        (),
        (
            "Incorrect information on credit report",
            "Credit reporting company's investigation",
            "Unable to get credit report/credit score",
        ),
        BUREAUS,
        (
            "There is an account on my report that does not belong to me.",
            "I asked for an investigation and nothing was corrected.",
            "Hard inquiries appear that I never authorized.",
            "My name and address are wrong on the file.",
        ),
    ),
    Line(
        "Credit card",
        0.13,
        0.0,
        (),
        ("Billing disputes", "APR or interest rate", "Closing/Cancelling account"),
        BANKS,
        (
            "The charge on my statement is for something I returned.",
            "They raised the interest rate without a notice.",
            "A late fee was added although autopay was on.",
            "The promised bonus miles were never posted.",
        ),
    ),
    Line(
        "Bank account or service",
        0.11,
        -0.10,
        ("Checking account", "Savings account"),
        (
            "Account opening, closing, or management",
            "Deposits and withdrawals",
            "Problems caused by my funds being low",
        ),
        BANKS,
        (
            "The branch put a hold on my deposit for two weeks.",
            "I was charged several overdraft fees on one day.",
            "They closed my checking account without an explanation.",
            "A withdrawal I did not make was not refunded.",
        ),
    ),
    Line(
        "Student loan",
        0.07,
        -0.25,
        ("Federal student loan servicing", "Non-federal student loan"),
        ("Dealing with my lender or servicer", "Can't repay my loan"),
        SERVICERS,
        (
            "My income driven repayment application was denied without a reason.",
            "Payments were applied to interest only.",
            "The servicer changed and my payment history is gone.",
            "They put me in forbearance without asking.",
        ),
    ),
)

RESPONSES = (
    ("Closed with explanation", 0.72, 0.35),
    ("Closed with non-monetary relief", 0.14, -0.75),
    ("Closed with monetary relief", 0.09, -1.30),
    ("Closed", 0.04, 0.10),
    ("Untimely response", 0.01, 0.60),
)
"""How a company closes a complaint: its share, and the odds (log) of a dispute with it."""

MOODS = (
    ("I have called many times and nobody returns my calls.", 0.75),
    ("This is unfair and I want somebody to be held responsible.", 0.85),
    ("They refuse to answer and simply ignore what I send.", 0.65),
    ("I have proof of everything and will not give up.", 0.55),
    ("Please help me to understand what happened.", -0.25),
    ("I would like this to be corrected as soon as possible.", -0.45),
    ("Thank you for looking into this for me.", -0.85),
    ("I only need a written confirmation.", -0.70),
)
"""What a consumer adds, and how it shifts the odds (log) of a dispute."""

SUB_ISSUES = ("Account status", "Debt is not mine", "Debt was paid", "Information is not mine")
STATES = (
    "CA",
    "TX",
    "FL",
    "NY",
    "GA",
    "PA",
    "OH",
    "NJ",
    "IL",
    "NC",
    "VA",
    "MD",
    "WA",
    "AZ",
    "MI",
)
CHANNELS = ("Web", "Phone", "Referral", "Postal mail", "Fax")
CHANNEL_SHARES = (0.78, 0.07, 0.09, 0.05, 0.01)
SENT_THE_SAME_DAY = 0.45
HIDDEN_ZIPS = 0.02
LATE_ANSWERS = 0.03
TAGS = ("Older American", "Servicemember", "Older American, Servicemember")


def sample(
    rows: int,
    rng: np.random.Generator,
    *,
    dispute_rate: float = 0.5,
    start: dt.date = START,
    end: dt.date = END,
    first_id: int = FIRST_ID,
) -> pd.DataFrame:
    """Draw complaints as an export delivers them: every cell text, some missing.

    Args:
        rows: How many.
        rng: Where chance comes from; the same generator state draws the same rows.
        dispute_rate: Expected share of disputed complaints, in (0, 1).
        start: First day on which complaints come in.
        end: Last day, included.
        first_id: Number of the first complaint; the others follow by day.

    Returns:
        `rows` rows ordered by day, the columns of the contract `Complaint`.
    """
    line = rng.choice(len(LINES), rows, p=[line.share for line in LINES])
    response = rng.choice(len(RESPONSES), rows, p=[share for _, share, _ in RESPONSES])
    mood = _two_of(np.full(rows, len(MOODS)), rng)
    received = _days(rows, rng, start=start, end=end)
    waited = rng.geometric(SENT_THE_SAME_DAY, rows) - 1
    columns = {
        "complaint_id": pd.Series(np.arange(first_id, first_id + rows).astype(str)),
        "date_received": _american(received),
        "date_sent_to_company": _american(received + waited),
        **_complaint(line, rng),
        "consumer_complaint_narrative": _narratives(line, mood, rng),
        **_consumer(rows, rng),
        "company_response_to_consumer": _pick([name for name, _, _ in RESPONSES], response),
        **_handling(rows, rng),
        "consumer_disputed": _disputes(line, response, mood, rng, dispute_rate=dispute_rate),
    }
    return pd.DataFrame(columns)[list(COLUMNS)].astype("str")


def _complaint(line: np.ndarray, rng: np.random.Generator) -> dict[str, pd.Series]:
    """What is complained about, and who."""
    sub_issue = _pick(SUB_ISSUES, rng.integers(len(SUB_ISSUES), size=len(line)))
    return {
        "product": _pick([each.product for each in LINES], line),
        "sub_product": _pick_of([each.sub_products for each in LINES], line, rng),
        "issue": _pick_of([each.issues for each in LINES], line, rng),
        "sub_issue": _gaps(sub_issue, 0.5, rng),
        "company": _pick_of([each.companies for each in LINES], line, rng),
    }


def _consumer(rows: int, rng: np.random.Generator) -> dict[str, pd.Series]:
    """Who complains, and how."""
    zips = pd.Series(rng.integers(100, 1_000, rows).astype(str)) + "XX"
    return {
        "state": _gaps(_pick(STATES, rng.integers(len(STATES), size=rows)), 0.005, rng),
        "zip_code": _gaps(zips.mask(rng.random(rows) < HIDDEN_ZIPS, "XXXXX"), 0.005, rng),
        "tags": _gaps(_pick(TAGS, rng.choice(3, rows, p=[0.6, 0.35, 0.05])), 0.83, rng),
        "submitted_via": _pick(CHANNELS, rng.choice(5, rows, p=CHANNEL_SHARES)),
    }


def _handling(rows: int, rng: np.random.Generator) -> dict[str, pd.Series]:
    """What became of it, beside the answer itself."""
    late = (rng.random(rows) < LATE_ANSWERS).astype(int)
    public = pd.Series(["Company chooses not to provide a public response"] * rows, dtype="str")
    return {
        "timely_response": _pick(("Yes", "No"), late),
        "company_public_response": _gaps(public, 0.6, rng),
        "consumer_consent_provided": pd.Series(["Consent provided"] * rows, dtype="str"),
    }


def _days(rows: int, rng: np.random.Generator, *, start: dt.date, end: dt.date) -> np.ndarray:
    """Days from `start` to `end`, ordered."""
    span = (end - start).days + 1
    return np.datetime64(start, "D") + np.sort(rng.integers(span, size=rows))


def _american(days: np.ndarray) -> pd.Series:
    """Days as MM/DD/YYYY; each distinct one is written once."""
    distinct, place = np.unique(days, return_inverse=True)
    return _pick(pd.DatetimeIndex(distinct).strftime("%m/%d/%Y"), place)


def _pick(names: object, place: np.ndarray) -> pd.Series:
    """The names at `place`; -1 is a gap."""
    return pd.Series(pd.Series(names, dtype="str").reindex(place).array)


def _pick_of(
    groups: list[tuple[str, ...]], line: np.ndarray, rng: np.random.Generator
) -> pd.Series:
    """One name of each row's own group, the first ones more often; empty groups leave a gap."""
    sizes = np.array([len(group) for group in groups])
    starts = np.cumsum(sizes) - sizes
    within = np.floor(rng.random(len(line)) ** 1.5 * sizes[line]).astype(int)
    place = np.where(sizes[line] > 0, starts[line] + within, -1)
    return _pick([name for group in groups for name in group], place)


def _gaps(column: pd.Series, share: float, rng: np.random.Generator) -> pd.Series:
    """The column with about `share` of its cells missing."""
    return column.mask(rng.random(len(column)) < share)


def _narratives(line: np.ndarray, mood: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """A date and a sum, two sentences about the product, two that tell how the consumer feels."""
    years = [f"On XX/XX/{year} I wrote to the company about" for year in range(2011, 2017)]
    sums = [f"{{${amount}.00}}." for amount in range(25, 10_000, 25)]
    phrases = [phrase for line in LINES for phrase in line.phrases]
    sizes = np.array([len(line.phrases) for line in LINES])
    told = (np.cumsum(sizes) - sizes)[line][:, None] + _two_of(sizes[line], rng)
    parts = [
        _pick(years, rng.integers(len(years), size=len(line))),
        _pick(sums, rng.integers(len(sums), size=len(line))),
        *(_pick(phrases, told[:, column]) for column in range(2)),
        *(_pick([text for text, _ in MOODS], mood[:, column]) for column in range(2)),
    ]
    arrays = [pa.array(part, type=pa.large_string()) for part in parts]
    text = pc.binary_join_element_wise(*arrays, pa.scalar(" ", pa.large_string()))
    return _gaps(pd.Series(text.to_pandas()), 0.04, rng)


def _two_of(sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two different places below each row's size; shape (rows, 2)."""
    first = rng.integers(sizes)
    return np.column_stack([first, (first + 1 + rng.integers(sizes - 1)) % sizes])


def _disputes(
    line: np.ndarray,
    response: np.ndarray,
    mood: np.ndarray,
    rng: np.random.Generator,
    *,
    dispute_rate: float,
) -> pd.Series:
    """Draw who disputes, from odds that the answer, the product and the words shift."""
    odds = (
        np.array([line.odds for line in LINES])[line]
        + np.array([shift for _, _, shift in RESPONSES])[response]
        + np.array([shift for _, shift in MOODS])[mood].sum(axis=1)
    )
    probability = 1 / (1 + np.exp(-(odds + _intercept(odds, dispute_rate))))
    return _pick(("No", "Yes"), (rng.random(len(line)) < probability).astype(int))


def _intercept(odds: np.ndarray, rate: float) -> float:
    """What to add to every odds (log) so that the mean probability is `rate`; by bisection."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        mean = np.mean(1 / (1 + np.exp(-(odds + middle)))) if len(odds) else rate
        low, high = (middle, high) if mean < rate else (low, middle)
    return middle
