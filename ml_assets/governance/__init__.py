"""What may not decide about people, kept out of models, with the evidence.

`attributes` says which columns are protected, by the problem's own list and by their names;
`inputs` finds out which columns each feature is really made from; `proxies` asks how well the
features predict a protected attribute all the same; `protection` holds a problem to all of it before
a model is trained, and keeps the outcome. How a fitted model treats groups is measured in
`evaluation`, and what follows from that is decided in `registry`.
"""

from ml_assets.governance.attributes import protected_columns
from ml_assets.governance.inputs import inputs_of_features
from ml_assets.governance.protection import (
    Protection,
    check_protection,
    newest_protection,
    require_protection,
)
from ml_assets.governance.proxies import ProxySearch, search_proxies

__all__ = [
    "Protection",
    "ProxySearch",
    "check_protection",
    "inputs_of_features",
    "newest_protection",
    "protected_columns",
    "require_protection",
    "search_proxies",
]
