"""What the service did, as Prometheus reads it: counters and histograms in text.

Kept by hand because a request is a few hundred microseconds, and a library's labels cost tens of
them. Each process counts its own; `shared_counts` adds up those of several.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper limits in seconds."""

Labels = tuple[str, ...]

Counts = list[tuple[list[str], Any]]
"""Labels and what was counted under them, as JSON has it."""


class Counter:
    """A number that only grows, for each combination of labels."""

    def __init__(self, name: str, help_text: str, labels: Labels) -> None:
        self.name = name
        self.help_text = help_text
        self.labels = labels
        self._values: defaultdict[Labels, float] = defaultdict(float)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count."""
        self._values[labels] += by

    def counts(self) -> Counts:
        """Everything that was counted, for another process."""
        return [(list(labels), value) for labels, value in list(self._values.items())]

    def include(self, counts: Counts) -> None:
        """Add what another process counted."""
        for labels, value in counts:
            self._values[tuple(labels)] += value

    def lines(self) -> Iterator[str]:
        """Say everything that was counted."""
        yield f"# HELP {self.name} {self.help_text}"
        yield f"# TYPE {self.name} counter"
        for labels, value in list(self._values.items()):
            yield f"{self.name}{_braced(self.labels, labels)} {value:g}"


class Histogram:
    """How many observations lie below each limit, for each combination of labels."""

    def __init__(self, name: str, help_text: str, labels: Labels) -> None:
        self.name = name
        self.help_text = help_text
        self.labels = labels
        self._counts: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        counts = self._counts.setdefault(labels, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, value)] += 1
        self._sums[labels] += value

    def counts(self) -> Counts:
        """Everything that was observed, for another process."""
        return [
            (list(labels), [self._sums[labels], *counts])
            for labels, counts in list(self._counts.items())
        ]

    def include(self, counts: Counts) -> None:
        """Add what another process observed."""
        for names, (total, *theirs) in counts:
            labels = tuple(names)
            ours = self._counts.get(labels, [0] * len(theirs))
            self._counts[labels] = [a + b for a, b in zip(ours, theirs, strict=True)]
            self._sums[labels] += total

    def lines(self) -> Iterator[str]:
        """Say everything that was observed."""
        yield f"# HELP {self.name} {self.help_text}"
        yield f"# TYPE {self.name} histogram"
        for labels, counts in list(self._counts.items()):
            yield from self._series(labels, counts)

    def _series(self, labels: Labels, counts: list[int]) -> Iterator[str]:
        total = 0
        for limit, count in zip([*map(str, BUCKETS), "+Inf"], counts, strict=True):
            total += count
            braced = _braced((*self.labels, "le"), (*labels, limit))
            yield f"{self.name}_bucket{braced} {total}"
        braced = _braced(self.labels, labels)
        yield f"{self.name}_sum{braced} {self._sums[labels]:g}"
        yield f"{self.name}_count{braced} {total}"


class Gauge(NamedTuple):
    """A number as it is now."""

    name: str
    help_text: str
    values: Mapping[tuple[tuple[str, str], ...], float]
    """Labels, as pairs, to the number."""

    def lines(self) -> Iterator[str]:
        """Say the number."""
        yield f"# HELP {self.name} {self.help_text}"
        yield f"# TYPE {self.name} gauge"
        for pairs, value in self.values.items():
            names, labels = zip(*pairs, strict=True) if pairs else ((), ())
            yield f"{self.name}{_braced(names, labels)} {value:g}"


class Telemetry:
    """What one service counts."""

    def __init__(self) -> None:
        self.requests = Counter(
            "ml_assets_requests_total",
            "Requests, by problem, route and status.",
            ("problem", "route", "status"),
        )
        self.seconds = Histogram(
            "ml_assets_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("problem", "route"),
        )
        self.predictions = Counter(
            "ml_assets_predictions_total",
            "Rows that were answered, by problem and version.",
            ("problem", "version"),
        )
        self.feedback = Counter(
            "ml_assets_feedback_events_total",
            "Events about predictions, by problem and outcome.",
            ("problem", "outcome"),
        )
        self.odd_values = Counter(
            "ml_assets_odd_values_total",
            "Values that are missing, unknown to the model or not of the contract, by column.",
            ("problem", "column", "kind"),
        )
        self.swaps = Counter(
            "ml_assets_swaps_total",
            "Changes of the version that answers, by problem and outcome.",
            ("problem", "outcome"),
        )

    @property
    def parts(self) -> tuple[Counter | Histogram, ...]:
        """Everything that grows."""
        return (
            *(self.requests, self.predictions, self.odd_values, self.feedback, self.swaps),
            self.seconds,
        )

    def counts(self) -> bytes:
        """Everything that was counted, for another process."""
        return orjson.dumps({part.name: part.counts() for part in self.parts})

    def include(self, counts: bytes) -> None:
        """Add what another process counted."""
        theirs = orjson.loads(counts)
        for part in self.parts:
            part.include(theirs[part.name])

    def text(self, gauges: Iterable[Gauge]) -> str:
        """Everything, as Prometheus reads it."""
        lines = (line for part in (*self.parts, *gauges) for line in part.lines())
        return "\n".join(lines) + "\n"


def _braced(names: Iterable[str], values: Iterable[str]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
