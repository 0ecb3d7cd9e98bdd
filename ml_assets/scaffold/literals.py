"""Texts and names as Python has them, for the modules that write code."""

import json

WIDEST = 96
"""Characters of a line."""


def class_name(name: str) -> str:
    """What the contract of a problem is called.

    Example:
        >>> class_name("home_prices")
        'HomePricesRow'
    """
    return "".join(word.capitalize() for word in name.split("_")) + "Row"


def quoted(text: str) -> str:
    """A text as Python and YAML both read it."""
    return json.dumps(text, ensure_ascii=False)
