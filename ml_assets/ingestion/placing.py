"""Which partition does a row belong to? By its event time and perhaps its location, nothing else.

A row whose event time cannot be read, or whose location can be no part of a key, is `UNPLACED`; where
it is kept is for `intake`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.reading import Columns, Reading
from ml_assets.ingestion.times import moment
from ml_assets.problem import Key
from ml_assets.problem.partitions import is_location, window_of

UNPLACED = "unplaced"
"""Partition of the rows whose event time cannot be read; no partition of any grain."""

REMEMBERED_TEXTS = 200_000


class Placing:
    """Cuts batches by partition; a text that came before is not parsed again.

    Args:
        reading: How event times are written, and which columns tell where a row belongs.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known: dict[str, str] = {}
        self._example = ""

    def cut(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of `batch` by partition, in their order."""
        location = self._reading.location
        times = self._times(batch)
        if times is None or (location is not None and location not in batch.schema.names):
            yield UNPLACED, batch
            return
        places = None if location is None else batch.column(location)
        yield from in_partitions(batch, *self.keys(times, places))

    def keys(self, times: pa.Array, locations: pa.Array | None) -> tuple[list[str], np.ndarray]:
        """Keys, each once, and for every row the position of its own.

        Args:
            times: Event times; n texts.
            locations: n texts; None where nothing is cut by location.
        """
        windows, codes = _coded(times, self._window)
        if locations is None:
            return windows, codes
        return _crossed(windows, codes, *_coded(locations, _location))

    def has_ids(self, columns: Columns) -> bool:
        """Whether a file with such columns says what its rows are about."""
        return self._reading.entity_id in columns.known

    def nothing_placed(self, name: str, rows: int) -> str:
        """Why a file of which no row could be placed is refused."""
        return (
            f"{name}: not one of {rows:,} rows has a {self._reading.event_time} that can be read"
            f"{self._example}. Needed is one of {', '.join(self._reading.date_formats)}, or ISO "
            "8601; add its format to source.date_formats in config.yaml."
        )

    def _times(self, batch: pa.RecordBatch) -> pa.Array | None:
        """Event times of a batch; None where neither it nor the declaration has any."""
        if self._reading.event_time in batch.schema.names:
            return batch.column(self._reading.event_time)
        undated = self._reading.undated
        return pa.repeat(undated, len(batch)) if undated else None

    def _window(self, text: str | None) -> str:
        if text is None or text in self._reading.missing:
            return UNPLACED
        if len(self._known) > REMEMBERED_TEXTS:
            self._known.clear()
        if text not in self._known:
            found = moment(text, self._reading.date_formats)
            self._known[text] = (
                UNPLACED if found is None else window_of(found.date(), self._reading.grain)
            )
            if found is None and not self._example:
                self._example = f", such as {text[:40]!r}"
        return self._known[text]


def in_partitions(
    batch: pa.RecordBatch, partitions: list[str], codes: np.ndarray
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Cut a batch by partition, keeping the order of rows.

    Args:
        batch: n rows.
        partitions: Keys, each once.
        codes: For each row the position of its key; shape (n,).
    """
    if len(partitions) == 1:
        yield partitions[0], batch
        return
    order = np.argsort(codes, kind="stable")
    sorted_batch = batch.take(pa.array(order))
    ends = np.cumsum(np.bincount(codes, minlength=len(partitions)))
    for partition, start, end in zip(partitions, [0, *ends[:-1]], ends, strict=True):
        if end > start:
            yield partition, sorted_batch.slice(int(start), int(end - start))


def _coded(
    texts: pa.Array, meaning: Callable[[str | None], str]
) -> tuple[list[str], np.ndarray]:
    """What some texts mean, each meaning once, and for every row which of them is its own."""
    encoded = texts.dictionary_encode(null_encoding="encode")
    each = [meaning(text) for text in encoded.dictionary.to_pylist()]
    meanings = sorted(set(each))
    position = {text: i for i, text in enumerate(meanings)}
    of_text = np.array([position[text] for text in each], np.int64)
    return meanings, of_text[encoded.indices.to_numpy(zero_copy_only=False)]


def _location(text: str | None) -> str:
    return text if text is not None and is_location(text) else UNPLACED


def _crossed(
    windows: list[str], of_window: np.ndarray, locations: list[str], of_location: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """Keys of windows and locations, each once, and for every row which of them is its own."""
    pairs, of_row = np.unique(of_window * len(locations) + of_location, return_inverse=True)
    each = [_key(windows[p // len(locations)], locations[p % len(locations)]) for p in pairs]
    keys = sorted(set(each))
    return keys, np.array([keys.index(key) for key in each], np.int64)[of_row]


def _key(window: str, location: str) -> str:
    return UNPLACED if UNPLACED in (window, location) else Key(window, location).text
