"""The gate between what a source said and what the platform believes.

`verdict` holds rows to their contract (`casting` gives them types, `duplicates` looks for repeated
ids); `summary` counts what a partition's columns look like; `statistics` holds the counts against
the partitions admitted before, with `chance` to keep small ones from being blamed for their size;
`admission` decides and writes, `record` remembers every decision; `profiling` describes an
admitted partition to a person. Nothing here knows who asks, nor what a model makes of the rows.
"""

from ml_assets.validation.admission import admit, verdict_fingerprint
from ml_assets.validation.profiling import Profile, profile, profile_fingerprint
from ml_assets.validation.record import Admission, admissions
from ml_assets.validation.statistics import Finding
from ml_assets.validation.summary import Statistics, Summary
from ml_assets.validation.verdict import BrokenRule, Verdict, hold_to_contract

__all__ = [
    "Admission",
    "BrokenRule",
    "Finding",
    "Profile",
    "Statistics",
    "Summary",
    "Verdict",
    "admissions",
    "admit",
    "hold_to_contract",
    "profile",
    "profile_fingerprint",
    "verdict_fingerprint",
]
