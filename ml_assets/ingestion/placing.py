"""Which partition does a row belong to? By its event time, and nothing else.

A row whose event time cannot be read is `UNPLACED`; where it is kept is for `intake`.
"""

from collections.abc import Callable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from ml_assets.ingestion.reading import Reading
from ml_assets.ingestion.times import moment

UNPLACED = "unplaced"
"""Partition of the rows whose event time cannot be read; no partition of any grain."""

REMEMBERED_TEXTS = 200_000


class Placing:
    """Cuts batches by partition; a text that came before is not parsed again.

    Args:
        reading: How event times are written.
        partition_of: The partition of a day.
    """

    def __init__(self, reading: Reading, partition_of: Callable[[date], str]) -> None:
        self._reading = reading
        self._partition_of = partition_of
        self._known: dict[str, str] = {}
        self.column = reading.event_time
        self.formats = reading.date_formats
        self.example = ""
        """The first text that could not be read, for a message."""

    def cut(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of `batch` by partition, in their order."""
        if self._reading.event_time not in batch.schema.names:
            yield UNPLACED, batch
            return
        partitions, codes = self._codes(batch.column(self._reading.event_time))
        if len(partitions) == 1:
            yield partitions[0], batch
            return
        order = np.argsort(codes, kind="stable")
        sorted_batch = batch.take(pa.array(order))
        ends = np.cumsum(np.bincount(codes, minlength=len(partitions)))
        for partition, start, end in zip(partitions, [0, *ends[:-1]], ends, strict=True):
            yield partition, sorted_batch.slice(int(start), int(end - start))

    def _codes(self, times: pa.Array) -> tuple[list[str], np.ndarray]:
        """The partitions of some event times, and for every row which of them is its own."""
        encoded = times.dictionary_encode(null_encoding="encode")
        each = [self._partition(text) for text in encoded.dictionary.to_pylist()]
        partitions = sorted(set(each))
        position = {partition: i for i, partition in enumerate(partitions)}
        of_text = np.array([position[partition] for partition in each], np.int64)
        return partitions, of_text[encoded.indices.to_numpy(zero_copy_only=False)]

    def _partition(self, text: str | None) -> str:
        if text is None or text in self._reading.missing:
            return UNPLACED
        if len(self._known) > REMEMBERED_TEXTS:
            self._known.clear()
        if text not in self._known:
            found = moment(text, self._reading.date_formats)
            self._known[text] = UNPLACED if found is None else self._partition_of(found.date())
            if found is None and not self.example:
                self.example = f", such as {text[:40]!r}"
        return self._known[text]
