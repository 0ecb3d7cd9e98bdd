"""What the model reads of a complaint, once the company has answered it.

Left out on purpose: `zip_code`, a classic stand-in for ethnicity and income (the state, far
coarser, stays), and `tags`, which tell a consumer's age. Both are kept in `validated` for the audit
and are named in `config.yaml` under `proxies` and `protected`.
"""

import numpy as np
import pandas as pd

UNKNOWN = "unknown"
"""What a missing category is called; the encoders learn it like any other."""

SECONDS_PER_DAY = 86_400
MAX_DAYS = 365
"""More days than this say nothing more."""


def features(complaints: pd.DataFrame) -> pd.DataFrame:
    """Describe each complaint by what is known about it and nothing else.

    Args:
        complaints: Rows that hold the contract `Complaint`; n rows.

    Returns:
        n rows, same index, columns:
            product, sub_product, issue, sub_issue, company, state, submitted_via,
            company_response (str): Categories; never null, missing ones are "unknown".
            timely (str): "yes", "no" or "unknown".
            days_until_sent (float, log of days + 1): Until the bureau passed it on; 0 if missing.
            narrative_length (float, log of characters + 1): 0 without a narrative.
            narrative (str): Never null; "" without a narrative.
    """
    narrative = complaints["consumer_complaint_narrative"].fillna("").astype(str)
    return pd.DataFrame(
        {
            "product": _category(complaints["product"]),
            "sub_product": _category(complaints["sub_product"]),
            "issue": _category(complaints["issue"]),
            "sub_issue": _category(complaints["sub_issue"]),
            "company": _category(complaints["company"]),
            "state": _category(complaints["state"]),
            "submitted_via": _category(complaints["submitted_via"]),
            "company_response": _category(complaints["company_response_to_consumer"]),
            "timely": _yes_or_no(complaints["timely_response"]),
            "days_until_sent": _log_days(
                complaints["date_sent_to_company"] - complaints["date_received"]
            ),
            "narrative_length": np.log1p(narrative.str.len().astype("float64")),
            "narrative": narrative,
        },
        index=complaints.index,
    )


def _category(column: pd.Series) -> pd.Series:
    """Trim, and name what is missing."""
    return column.astype("str").str.strip().fillna(UNKNOWN).replace("", UNKNOWN)


def _yes_or_no(column: pd.Series) -> pd.Series:
    """Turn a nullable boolean into words."""
    words = column.astype("boolean").map({True: "yes", False: "no"})
    return words.astype("str").fillna(UNKNOWN)


def _log_days(span: pd.Series) -> pd.Series:
    """Whole days, at least 0 and at most a year, on a logarithmic scale."""
    days = span.dt.total_seconds().fillna(0.0) // SECONDS_PER_DAY
    return np.log1p(days.clip(0, MAX_DAYS).astype("float64"))
