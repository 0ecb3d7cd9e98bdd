"""How rows of one source become rows of the problem's contract: mappings, as data.

`declaration` is the typed model of a mapping file; `apply` fills the contract's columns by it.
`paths` finds the texts in rows, `readings`, `dates`, `amounts` (with `numbers` and `units`) and
`address` say what they mean, `exchanging` (with `money`) converts currencies. `catalogue` says
every rule in words. `drafting` writes a first mapping from a sample, by what `synonyms` says of
its names and `guessing` of its values. Whether a row is good is for `validation`.
"""

from ml_assets.ingestion.mapping.applying import Hits, Mapped, add_hits, add_unknown, apply
from ml_assets.ingestion.mapping.catalogue import RuleEntry, rules_of
from ml_assets.ingestion.mapping.declaration import Mapping, Rule, mappings_of
from ml_assets.ingestion.mapping.drafting import draft
from ml_assets.ingestion.mapping.money import Rates

__all__ = [
    "Hits",
    "Mapped",
    "Mapping",
    "Rates",
    "Rule",
    "RuleEntry",
    "add_hits",
    "add_unknown",
    "apply",
    "draft",
    "mappings_of",
    "rules_of",
]
