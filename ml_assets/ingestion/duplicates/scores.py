"""How well clusters of rows agree with the truth, pair by pair."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from ml_assets.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class PairwiseScores:
    """Pairs of rows that were put together, that belong together, and that are both."""

    found: int
    true: int
    both: int

    @property
    def precision(self) -> float | None:
        """Share of the pairs found that are true; None if none was found."""
        return self.both / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of the true pairs that were found; None if there is none."""
        return self.both / self.true if self.true else None


def pairwise_scores(
    clusters: Mapping[str, Hashable], truth: Mapping[str, Hashable]
) -> PairwiseScores:
    """Count the pairs of rows that share a cluster, an entity, or both.

    Args:
        clusters: The cluster of each row.
        truth: The entity of each row; the same rows.

    Returns:
        The counts, with precision and recall over unordered pairs of distinct rows, as in
        Menestrina, Whang & Garcia-Molina, "Evaluating Entity Resolution Results", 2010.

    Raises:
        SourceError: If the two are not about the same rows.

    Examples:
        >>> scores = pairwise_scores({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2})
        >>> scores.found, scores.true, scores.both
        (3, 1, 1)
    """
    if different := clusters.keys() ^ truth.keys():
        raise SourceError(
            f"{len(different):,} rows are in the clusters or in the truth alone, such as "
            f"{min(different)!r}; score both over the same rows."
        )
    return PairwiseScores(
        found=_pairs(clusters.values()),
        true=_pairs(truth.values()),
        both=_pairs((clusters[row], truth[row]) for row in clusters),
    )


def _pairs(groups: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())
