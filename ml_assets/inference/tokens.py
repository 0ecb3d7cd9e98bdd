"""Text to words and n-grams, exactly as scikit-learn's vectorizers cut it, but quicker.

Most texts are pure ASCII. For those the customary token patterns mean "runs of letters, digits
and underscores", which a translation table and a split find several times quicker than a regular
expression; whatever is not pure ASCII goes through the vectorizer's own analyzer. What the
n-grams are worth does not belong here.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from ml_assets.training.text import words_of

VECTORIZERS = (CountVectorizer, HashingVectorizer)
"""Text to counts of n-grams; `TfidfVectorizer` is the first of them, with weights."""

Analyzer = Callable[[str], list[str]]

SHORTEST_WORD = {r"(?u)\b\w\w+\b": 2, r"(?u)\b\w+\b": 1}
"""Token patterns that only say how long a run of word characters must be."""

WORD_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Splitting(NamedTuple):
    """How a vectorizer cuts pure ASCII text, said without a regular expression."""

    table: str
    """What each of the 128 characters becomes: itself, its lower case, or a space."""
    dropped: frozenset[str]
    """Words that count for nothing: too short, or stop words."""
    ngrams: tuple[int, int]


def splitting_of(vectorizer: Any) -> Splitting | None:
    """Say how `vectorizer` cuts ASCII text, or None where only its own analyzer knows."""
    shortest = SHORTEST_WORD.get(vectorizer.token_pattern or "")
    usual = (
        vectorizer.analyzer == "word"
        and vectorizer.input == "content"
        and vectorizer.tokenizer is None
        and vectorizer.preprocessor is None
    )
    if not usual or shortest is None:
        return None
    singles = WORD_CHARACTERS if shortest > 1 else frozenset()
    return Splitting(
        table=_table(lowercase=vectorizer.lowercase),
        dropped=singles | frozenset(vectorizer.get_stop_words() or ()),
        ngrams=tuple(vectorizer.ngram_range),
    )


def analyzer_of(vectorizer: Any) -> Analyzer:
    """Return a function from a text to its n-grams, in no particular order.

    Example:
        >>> analyze = analyzer_of(CountVectorizer(ngram_range=(1, 2)))
        >>> analyze("Fees, and fees!")
        ['fees', 'and', 'fees', 'fees and', 'and fees']
    """
    splitting = splitting_of(vectorizer)
    exact: Analyzer = vectorizer.build_analyzer()
    return exact if splitting is None else _quicker(exact, splitting)


def own_splitting(ngrams: tuple[int, int]) -> Splitting:
    """Say how the platform's own text encoders cut ASCII text."""
    return Splitting(_table(lowercase=True), WORD_CHARACTERS, ngrams)


def own_analyzer(ngrams: tuple[int, int]) -> Analyzer:
    """Return the function from a text to its n-grams of the platform's own text encoders."""
    return _quicker(lambda text: _ngrams(words_of(text), ngrams), own_splitting(ngrams))


def _quicker(exact: Analyzer, splitting: Splitting) -> Analyzer:
    """Return what `exact` returns, ASCII texts by translation and split."""
    table, dropped, ngrams = splitting

    def analyze(text: str) -> list[str]:
        if not text.isascii():
            return exact(text)
        words = [word for word in text.translate(table).split() if word not in dropped]
        return _ngrams(words, ngrams)

    return analyze


def _ngrams(words: list[str], ngrams: tuple[int, int]) -> list[str]:
    """Every n words in a row, joined by spaces, for each n of a range."""
    shortest, longest = ngrams
    if longest == 1:
        return words
    runs = (
        zip(*(words[i:] for i in range(n)), strict=False) for n in range(shortest, longest + 1)
    )
    return [" ".join(run) for run in chain.from_iterable(runs)]


def _table(*, lowercase: bool) -> str:
    """Return the translation of ASCII: word characters stay, everything else parts words."""
    kept = (chr(i) if chr(i) in WORD_CHARACTERS else " " for i in range(128))
    table = "".join(kept)
    return table.lower() if lowercase else table
