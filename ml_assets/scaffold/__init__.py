"""From a CSV file to a problem: a first declaration, for a person to correct.

`sheet` reads the file as text; `readings`, `dates` and `columns` guess what its texts are; `leakage`,
`people` and `roles` what part each column plays; `target`, `metric` and `cutting` what is predicted,
measured and held out. `draft` puts the guesses together, `recipes` says which features follow;
`contract`, `code`, `sampling`, `values` and `prose` write it all down, and `folder` puts it where the platform finds it.
What is guessed here has no say later: a problem is what its folder declares.
"""

from ml_assets.scaffold.draft import Draft, draft
from ml_assets.scaffold.folder import (
    Held,
    files_of,
    hold_file,
    require_free,
    rows_of,
    write_folder,
)
from ml_assets.scaffold.target import Asked

__all__ = [
    "Asked",
    "Draft",
    "Held",
    "draft",
    "files_of",
    "hold_file",
    "require_free",
    "rows_of",
    "write_folder",
]
