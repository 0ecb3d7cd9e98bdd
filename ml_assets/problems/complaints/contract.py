"""What a valid complaint is: one row of the bureau's public database.

Strict where a wrong value would do harm (the id, the times, the label), lenient where the real
data is messy by design: categories are plain text, since the taxonomy changed three times, and
whatever some publication of the data leaves out may be missing.

`known_at` says when a fact is known: `received` (the consumer complains), `sent` (the bureau
passes it on), `answered` (the company closes it), `disputed` (the consumer says whether the answer
will do), `published` (whatever is added for the public later). `categories` lists the names that
the bureau announced, or says that they come and go ("open") or that the text is prose ("free").
"""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from ml_assets.problems.complaints.taxonomy import CHANNELS, ISSUES, PRODUCTS, RESPONSES

SENT_EARLY = pd.Timedelta(days=2)
"""Exports give days without a time zone, so a complaint may seem sent the evening before."""

UTC_TIME = pd.DatetimeTZDtype("us", "UTC")


class Complaint(pa.DataFrameModel):
    """One row per complaint, as published after the company answered."""

    complaint_id: Series[str] = pa.Field(
        unique=True,
        str_matches=r"^[0-9A-Za-z-]{1,40}$",
        metadata={"role": "id", "known_at": "received"},
        description="The bureau's number.",
    )
    date_received: Series[UTC_TIME] = pa.Field(
        ge=pd.Timestamp("2011-01-01", tz="UTC"),
        lt=pd.Timestamp("2100-01-01", tz="UTC"),
        metadata={"role": "time", "known_at": "received"},
        description="When the consumer complained; a day, so midnight UTC.",
    )
    product: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 200},
        metadata={"role": "input", "known_at": "received", "categories": PRODUCTS},
        description="Kind of financial product.",
    )
    sub_product: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 200},
        metadata={"role": "input", "known_at": "received", "categories": "open"},
        description="Kind within the product.",
    )
    issue: Series[str] = pa.Field(
        str_length={"min_value": 1, "max_value": 300},
        metadata={"role": "input", "known_at": "received", "categories": ISSUES},
        description="What the complaint is about.",
    )
    sub_issue: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 300},
        metadata={"role": "input", "known_at": "received", "categories": "open"},
        description="What it is about within the issue.",
    )
    consumer_complaint_narrative: Series[str] = pa.Field(
        nullable=True,
        str_length={"max_value": 100_000},
        metadata={"role": "input", "known_at": "received", "categories": "free"},
        description="In the consumer's words, names masked as XXXX; only with consent.",
    )
    company_public_response: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "ignored", "known_at": "published"},
        description="May follow half a year later, so no feature may read it.",
    )
    company: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 300},
        metadata={"role": "input", "known_at": "received", "categories": "open"},
        description="Who is complained about; thousands of spellings.",
    )
    state: Series[str] = pa.Field(
        nullable=True,
        str_matches=r"^([A-Z]{2}|UNITED STATES MINOR OUTLYING ISLANDS)$",
        metadata={"role": "input", "known_at": "received"},
        description="US state, territory or military post, two letters.",
    )
    zip_code: Series[str] = pa.Field(
        nullable=True,
        str_matches=r"^[0-9X]{3,5}(-[0-9X]{4})?$",
        metadata={"role": "sensitive", "known_at": "received", "categories": "free"},
        description="Masked (940XX, XXXXX). Stands for ethnicity and income; never a feature.",
    )
    tags: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "sensitive", "known_at": "received"},
        description="Older American, Servicemember: kept for the audit, never a feature.",
    )
    consumer_consent_provided: Series[str] = pa.Field(
        nullable=True,
        metadata={"role": "ignored", "known_at": "published"},
        description="Whether the narrative may be published.",
    )
    submitted_via: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 60},
        metadata={"role": "input", "known_at": "received", "categories": CHANNELS},
        description="Web, phone, letter and so on.",
    )
    date_sent_to_company: Series[UTC_TIME] = pa.Field(
        nullable=True,
        metadata={"role": "input", "known_at": "sent"},
        description="When the bureau passed it on.",
    )
    company_response_to_consumer: Series[str] = pa.Field(
        nullable=True,
        str_length={"min_value": 1, "max_value": 100},
        metadata={"role": "input", "known_at": "answered", "categories": RESPONSES},
        description="How the company closed it.",
    )
    timely_response: Series[pd.BooleanDtype] = pa.Field(
        nullable=True,
        metadata={"role": "input", "known_at": "answered"},
        description="Whether the answer came in time.",
    )
    consumer_disputed: Series[pd.BooleanDtype] = pa.Field(
        nullable=True,
        metadata={"role": "target", "known_at": "disputed"},
        description="Whether the consumer disputed the answer; N/A is no label.",
    )

    @pa.dataframe_check(name="date_sent_to_company: is before date_received")
    def sent_after_received(cls, df: pd.DataFrame) -> pd.Series:  # noqa: N805
        """A complaint is passed on after it came in, give or take the time zone."""
        sent = df["date_sent_to_company"]
        received = df["date_received"]
        return sent.isna() | received.isna() | (sent >= received - SENT_EARLY)
