"""What changes the hash of code, and what does not.

Each test writes a small package, hashes its feature function in a fresh process, edits one file,
and hashes again.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_assets.fingerprint import source_hash

FILES = {
    "__init__.py": "",
    "features.py": '''
"""Features."""

import functools
import math
from dataclasses import dataclass

import loans.text as text
from loans import dates
from loans.constants import EDGES, LIMIT
from loans.contracts import Checked, Held
from loans.shapes import Rounded, logged


@dataclass(frozen=True)
class Cap:
    """Holds values below a limit."""

    limit: float = 1.5

    def of(self, value):
        return min(value, self.limit)


CAP = Cap()
HALF = functools.partial(text.scaled, factor=0.5)


@logged
def features(row, scale=LIMIT):
    """Turn a row into features."""
    # A comment.
    from loans.late import lazily

    Held(Checked())
    inner = lambda value: value + len(EDGES)
    return [text.clean(row), HALF(scale), CAP.of(inner(1)), dates.age(row), Rounded(2).of(math.pi), lazily(row)]


def unrelated(row):
    return row
''',
    "text.py": """
from loans.deep import deepest


def clean(value):
    return deepest(value)


def scaled(value, factor):
    return value * factor


def unrelated(value):
    return value
""",
    "deep.py": """
STOP_WORDS = {"the", "a", "an", "of"}


def deepest(value):
    return value not in STOP_WORDS
""",
    "dates.py": """
import re

DAY = re.compile("[0-9]+")


def age(row: int) -> int:
    return DAY.match(str(row))
""",
    "constants.py": "LIMIT = 3\nEDGES = tuple(range(LIMIT))\nOTHER = 1\n",
    "shapes.py": """
import functools


class Base:
    def of(self, value):
        return round(value, self.digits)


class Rounded(Base):
    kind: int

    def __init__(self, digits):
        self.digits = digits


def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner
""",
    "contracts.py": """
from dataclasses import dataclass

from pydantic import BaseModel


class Inner(BaseModel):
    limit: int = 3


class Handle:
    def close(self):
        return 1


class Checked(BaseModel):
    inner: Inner = None


@dataclass
class Held:
    handle: Handle
""",
    "late.py": "def lazily(row):\n    return row\n",
}

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from loans.features import features
from ml_assets.fingerprint import source_hash
print(source_hash(features))
"""


@pytest.fixture(scope="module")
def hash_after(tmp_path_factory):
    """Return a function that hashes the package after texts in its files were replaced."""

    def hashed(*edits, seed="0"):
        folder = tmp_path_factory.mktemp("package")
        files = dict(FILES)
        for file, old, new in edits:
            assert old in files[file]
            files[file] = files[file].replace(old, new)
        (folder / "loans").mkdir()
        for name, source in files.items():
            (folder / "loans" / name).write_text(source)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    return hashed


@pytest.fixture(scope="module")
def original(hash_after):
    return hash_after()


UNCHANGED = {
    "comment": ("features.py", "# A comment.", "# Another.\n    # And one more."),
    "docstring": ("features.py", '"""Turn a row into features."""', '"""Changed."""'),
    "module docstring": ("features.py", '"""Features."""', '"""Two\nlines."""'),
    "no docstring": ("features.py", '    """Turn a row into features."""\n', ""),
    "class docstring": ("features.py", "Holds values", "Keeps values"),
    "formatting": (
        "features.py",
        "inner = lambda value: value + len(EDGES)",
        "inner = (\n        lambda value: value\n        + len(EDGES)\n    )",
    ),
    "annotations of a function": ("dates.py", "row: int) -> int", 'row: "str") -> object'),
    "unrelated function in the same file": (
        "features.py",
        "    return row\n",
        "    return row + 1\n",
    ),
    "unrelated function of a helper's file": (
        "text.py",
        "def unrelated(value):\n    return value",
        "def unrelated(value):\n    return 7",
    ),
    "unused constant": ("constants.py", "OTHER = 1", "OTHER = 2"),
    "what a dataclass names in an annotation": ("contracts.py", "return 1", "return 2"),
    "comment in a helper": ("deep.py", "def deepest", "# Deep.\ndef deepest"),
    "the same value written otherwise": ("constants.py", "LIMIT = 3", "LIMIT = 1 + 2"),
}

CHANGED = {
    "function": ("features.py", "inner(1)", "inner(2)"),
    "helper": ("text.py", "value * factor", "value / factor"),
    "helper of a helper in another module": ("deep.py", "value not in", "value in"),
    "constant of a helper of a helper": ("deep.py", '"of"', '"off"'),
    "constant": ("constants.py", "LIMIT = 3", "LIMIT = 4"),
    "constant that is computed": (
        "constants.py",
        "tuple(range(LIMIT))",
        "tuple(range(LIMIT, 0, -1))",
    ),
    "pattern": ("dates.py", "[0-9]+", "[0-9]"),
    "helper behind a module": ("dates.py", "str(row)", "repr(row)"),
    "argument of a partial": ("features.py", "factor=0.5", "factor=0.6"),
    "default of a field of a constant": (
        "features.py",
        "limit: float = 1.5",
        "limit: float = 1.6",
    ),
    "method of a constant's class": ("features.py", "return min(", "return max("),
    "method of a base class": ("shapes.py", "round(value", "abs(value"),
    "annotation of a class": ("shapes.py", "kind: int", "kind: float"),
    "what a contract names in an annotation": (
        "contracts.py",
        "limit: int = 3",
        "limit: int = 4",
    ),
    "decorator": ("shapes.py", "return function(*args)", "return function(*args, 1)"),
    "function that is imported when another runs": ("late.py", "return row", "return [row]"),
}


@pytest.mark.parametrize("edit", UNCHANGED.values(), ids=UNCHANGED)
def test_stays_the_same_after_an_edit_of(edit, hash_after, original):
    assert hash_after(edit) == original


@pytest.mark.parametrize("edit", CHANGED.values(), ids=CHANGED)
def test_changes_after_an_edit_of(edit, hash_after, original):
    assert hash_after(edit) != original


@pytest.mark.parametrize("seed", ["1", "2"])
def test_is_the_same_in_every_process(seed, hash_after, original):
    assert hash_after(seed=seed) == original


def test_speaks_of_the_loaded_code_when_its_file_was_edited_since(tmp_path, monkeypatch):
    module = tmp_path / "edited_since.py"
    module.write_text("def twice(value):\n    return value * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from edited_since import twice

    module.write_text("# Three times.\n\ndef twice(value):\n    return value * 2\n")
    moved = source_hash(twice)
    module.write_text("def twice(value):\n    return value * 3\n")

    assert source_hash(twice) == moved


def test_notices_code_that_was_reloaded(tmp_path, monkeypatch):
    import importlib

    module = tmp_path / "reloaded_since.py"
    module.write_text("def twice(value):\n    return value * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    reloaded_since = importlib.import_module("reloaded_since")
    before = source_hash(reloaded_since.twice)

    module.write_text("def twice(value):\n    return value * 2 * 1\n")
    importlib.reload(reloaded_since)

    assert source_hash(reloaded_since.twice) != before


def test_hashes_functions_without_a_file_by_what_they_do():
    def made(source):
        scope = {"__name__": "ml_assets.made"}
        exec(source, scope)  # noqa: S102
        return scope["made"]

    plain = source_hash(made("def made(x):\n    return x in {'a', 'b'}"))

    assert source_hash(made("def made(x):\n    # Why.\n    return x in {'a', 'b'}")) == plain
    assert source_hash(made("def made(x):\n    return x in {'a', 'c'}")) != plain


def test_does_not_depend_on_the_order_of_its_arguments():
    from ml_assets.progress import shown_by, track

    assert source_hash(track, shown_by) == source_hash(shown_by, track)
    assert source_hash(track) != source_hash(shown_by)


def test_tells_functions_of_one_factory_apart():
    def adding(amount):
        return lambda value: value + amount

    assert source_hash(adding(1)) != source_hash(adding(2))
    assert source_hash(adding(1)) == source_hash(adding(1))


def test_lives_with_functions_that_call_each_other():
    assert len(source_hash(even)) == 32


def even(number):
    return number == 0 or odd(number - 1)


def odd(number):
    return number != 0 and even(number - 1)


def test_does_not_follow_other_packages():
    assert source_hash(Path.exists) == source_hash(Path.exists)
