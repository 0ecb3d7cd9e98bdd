"""Which columns are protected: those that the problem lists, and those whose name says so.

A name is taken apart into words, so that `applicantGender` is found and `message` is not. A column
that only sounds protected, such as the age of a house, is named under `fairness.not_protected`
in `config.yaml`, with what it is.
"""

import re
from collections.abc import Iterable, Mapping

from ml_assets.problem import Problem

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "gender": ("gender", "sex", "male", "female", "salutation", "pronoun", "maiden name"),
    "ethnicity": (
        "ethnicity",
        "ethnic",
        "race",
        "racial",
        "skin color",
        "skin colour",
        "nationality",
        "national origin",
        "hispanic",
        "latino",
        "tribe",
        "caste",
    ),
    "age": (
        "age",
        "birth",
        "birthday",
        "birthdate",
        "born",
        "dob",
        "senior",
        "elderly",
    ),
    "health": (
        "health",
        "disability",
        "disabled",
        "disease",
        "illness",
        "diagnosis",
        "medical",
        "pregnant",
        "pregnancy",
        "hiv",
    ),
    "religion": ("religion", "religious", "faith", "church", "denomination", "creed"),
}
"""Kind of a protected attribute to the words that name it."""

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def kind_named_by(name: str) -> str | None:
    """The kind of protected attribute that a name speaks of, if any.

    Example:
        >>> (
        ...     kind_named_by("applicantGender"),
        ...     kind_named_by("date_of_birth"),
        ...     kind_named_by("message"),
        ... )
        ('gender', 'age', None)
    """
    words = f" {' '.join(WORDS.findall(name)).lower()} "
    for kind, synonyms in SYNONYMS.items():
        if any(f" {one} " in words or f" {one}s " in words for one in synonyms):
            return kind
    return None


def protected_names(problem: Problem, names: Iterable[str]) -> dict[str, str]:
    """Those of `names` that are protected, to why."""
    config = problem.config
    found = {}
    for name in names:
        kind = kind_named_by(name)
        if name in config.protected:
            found[name] = "config.yaml lists it under protected"
        elif kind and name not in config.fairness.not_protected:
            found[name] = f"its name speaks of {kind}"
    return found


def protected_columns(problem: Problem) -> dict[str, str]:
    """The protected columns of the contract, to why they are."""
    return protected_names(problem, problem.fields)
