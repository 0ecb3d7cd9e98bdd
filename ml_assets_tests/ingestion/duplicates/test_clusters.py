"""Linked rows become clusters, which are scored against the truth."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.errors import SourceError
from ml_assets.ingestion.duplicates.clusters import clusters_of
from ml_assets.ingestion.duplicates.scores import pairwise_scores

ROWS = list("abcdefgh")
LINKS = st.lists(st.tuples(st.sampled_from(ROWS), st.sampled_from(ROWS)), max_size=12)
GROUPS = st.fixed_dictionaries({row: st.integers(0, 3) for row in ROWS})


class TestClusters:
    def test_joins_rows_through_others(self):
        clusters = clusters_of("abcd", [("d", "c"), ("b", "d")])

        assert clusters == {"a": "a", "b": "b", "c": "b", "d": "b"}

    @settings(deadline=None)
    @given(links=LINKS)
    def test_partition_the_rows_and_keep_every_link(self, links):
        clusters = clusters_of(ROWS, links)

        assert list(clusters) == ROWS
        assert all(clusters[left] == clusters[right] for left, right in links)

    @settings(deadline=None)
    @given(links=LINKS)
    def test_join_nothing_that_no_link_joins(self, links):
        clusters = clusters_of(ROWS, links)

        used = sum(
            clusters_of(ROWS, links[:n]) != clusters_of(ROWS, links[: n + 1])
            for n in range(len(links))
        )
        assert len(set(clusters.values())) == len(ROWS) - used

    @settings(deadline=None)
    @given(links=LINKS, rows=st.permutations(ROWS), data=st.data())
    def test_do_not_depend_on_order(self, links, rows, data):
        shuffled = data.draw(st.permutations(links))

        clusters = clusters_of(rows, [(right, left) for left, right in shuffled])

        assert clusters == clusters_of(ROWS, links)

    @settings(deadline=None)
    @given(links=LINKS, apart=LINKS)
    def test_never_have_two_rows_that_are_apart(self, links, apart):
        different = [(left, right) for left, right in apart if left != right]

        clusters = clusters_of(ROWS, links, different)

        assert all(clusters[left] != clusters[right] for left, right in different)

    def test_give_a_row_between_two_that_are_apart_to_the_surer_one(self):
        clusters = clusters_of("abc", [("b", "c"), ("a", "b")], apart=[("c", "a")])

        assert clusters == {"a": "a", "b": "b", "c": "b"}

    def test_refuse_a_link_to_an_unknown_row(self):
        with pytest.raises(
            SourceError, match="names the row 'z', which is not among the 2 rows"
        ):
            clusters_of("ab", [("a", "z")])

    def test_refuse_a_row_that_is_there_twice(self):
        with pytest.raises(SourceError, match="The row 'a' is there twice"):
            clusters_of("aba", [])


class TestPairwiseScores:
    @settings(deadline=None)
    @given(clusters=GROUPS, truth=GROUPS)
    def test_count_what_looking_at_every_pair_counts(self, clusters, truth):
        scores = pairwise_scores(clusters, truth)

        pairs = list(combinations(ROWS, 2))
        found = {(a, b) for a, b in pairs if clusters[a] == clusters[b]}
        true = {(a, b) for a, b in pairs if truth[a] == truth[b]}
        assert (scores.found, scores.true, scores.both) == (
            len(found),
            len(true),
            len(found & true),
        )

    def test_divide_by_what_was_found_and_by_what_is_true(self):
        scores = pairwise_scores({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2})

        assert scores.precision == pytest.approx(1 / 3)
        assert scores.recall == 1

    def test_have_no_share_of_nothing(self):
        scores = pairwise_scores({"a": 1, "b": 2}, {"a": 1, "b": 2})

        assert scores.precision is None
        assert scores.recall is None

    def test_refuse_truth_about_other_rows(self):
        with pytest.raises(
            SourceError, match="1 rows are in the clusters or in the truth alone"
        ):
            pairwise_scores({"a": 1, "b": 1}, {"a": 1})
