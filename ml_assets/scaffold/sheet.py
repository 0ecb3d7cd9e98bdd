"""A CSV file as it is: its columns as text, under the names that a contract will give them.

What the texts mean is for `readings`.
"""

import datetime as dt
import keyword
import re
import unicodedata
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.errors import InsufficientData, SourceError
from ml_assets.ingestion.csv_rows import CSVRows
from ml_assets.ingestion.files import FORMATS
from ml_assets.ingestion.mapping.drafting import names_of_csv, plain_reading
from ml_assets.ingestion.reading import snake_case

MOST_ROWS = 1_000_000
FEWEST_ROWS = 100
LONGEST_NAME = 60
TAKEN = frozenset(
    {
        *(
            "config",
            "build_schema_",
            "empty",
            "example",
            "from_json",
            "from_yaml",
            "get_metadata",
        ),
        *("pydantic_validate", "strategy", "to_json", "to_json_schema", "to_schema", "to_yaml"),
        *("validate", "label", "partition", "split", "weight", "reasons", "prediction"),
        *("prediction_id", "model_version", "predicted_at", "decision", "shown", "input"),
    }
)
"""Names that a contract, or a table beside the features, has for something else."""


class Sheet(NamedTuple):
    """A file's columns; n rows."""

    file: str
    columns: "dict[str, SheetColumn]"
    rows: int
    written_on: dt.date
    """Day of the file, UTC."""
    is_whole: bool
    """False where the file has more rows than were looked at."""


class SheetColumn:
    """One column of a sheet.

    Args:
        name: What the contract calls it.
        heading: What the file calls it.
        texts: Its trimmed cells; n of them.

    Attributes:
        cells: The same.
    """

    def __init__(self, name: str, heading: str, texts: pa.Array) -> None:
        self.name = name
        self.heading = heading
        self.cells = texts
        self._encoded = texts.dictionary_encode()

    @cached_property
    def texts(self) -> list[str]:
        """Distinct texts, the empty one among them."""
        return self._encoded.dictionary.to_pylist()

    @cached_property
    def codes(self) -> np.ndarray:
        """Of each row, the place of its text among `texts`; shape (n,)."""
        return self._encoded.indices.to_numpy(zero_copy_only=False)

    @cached_property
    def counts(self) -> Counter[str]:
        """Distinct texts and how many rows have each."""
        rows = np.bincount(self.codes, minlength=len(self.texts)).tolist()
        return Counter(dict(zip(self.texts, rows, strict=True)))


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file, as text.

    Raises:
        SourceError: If it cannot be read, has no header, or two columns under one name.
        InsufficientData: If it has too few rows to guess anything from.
    """
    if not path.is_file():
        raise SourceError(f"There is no file {path}. Give the path of a CSV file: --csv FILE")
    if FORMATS.get(path.suffix.lower()) != "csv":
        known = ", ".join(suffix for suffix, form in FORMATS.items() if form == "csv")
        raise SourceError(
            f"{path.name} is not called as a CSV file: {known}. Rename it, or save it so."
        )
    headings = _headings(path)
    names = _names(path, headings)
    rows = CSVRows(path, plain_reading(tuple(names)))
    batches, count = [], 0
    for batch in rows.batches():
        batches.append(batch)
        count += len(batch)
        if count > MOST_ROWS:
            break
    if count < FEWEST_ROWS:
        raise InsufficientData(
            f"A problem guessed from {path.name}", rows=count, needed=FEWEST_ROWS
        )
    table = pa.Table.from_batches(batches).slice(0, MOST_ROWS)
    columns = {
        name: SheetColumn(name, names[given], _trimmed(table.column(given)))
        for given, name in _contract_names(list(names)).items()
    }
    written_on = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).date()
    return Sheet(path.name, columns, table.num_rows, written_on, is_whole=count <= MOST_ROWS)


def _headings(path: Path) -> list[str]:
    found = names_of_csv(path)
    numbers = [each for each in found if re.fullmatch(r"\s*[-+]?[\d.,]+\s*", each)]
    if 2 * len(numbers) > len(found):
        raise SourceError(
            f"{path.name} has no header: its first line has numbers ({', '.join(numbers[:5])}), "
            "needed are the names of the columns. Put them into the first line."
        )
    return found


def _names(path: Path, headings: list[str]) -> dict[str, str]:
    """Names in snake case, to how the file spells them; a column without a name is left out."""
    spelled: dict[str, str] = {}
    for heading in headings:
        name = snake_case(heading)
        if name in spelled:
            raise SourceError(
                f"{path.name} has two columns called {name}: {spelled[name]!r} and {heading!r}. "
                "Rename one of them."
            )
        if name:
            spelled[name] = heading
    return spelled


def _contract_names(names: list[str]) -> dict[str, str]:
    """Names as a source has them, to what can be called so in Python and in every table."""
    found: dict[str, str] = {}
    for name in names:
        plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
        word = (
            re.sub(r"\W+", "_", plain.encode("ascii", "ignore").decode()).strip("_") or "column"
        )
        word = f"c_{word}" if word[0].isdigit() else word[:LONGEST_NAME]
        if keyword.iskeyword(word) or word in TAKEN:
            word = f"{word}_value"
        while word in found.values():
            word = f"{word}_2"
        found[name] = word
    return found


def _trimmed(texts: pa.ChunkedArray) -> pa.Array:
    joined = pc.fill_null(pc.utf8_trim_whitespace(texts), "").combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)
