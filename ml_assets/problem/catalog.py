"""Which problems there are: those of this package, and those that other packages bring.

A package brings a problem by the entry point group `ml_assets.problems`; the entry point's name
is the problem's, and it points at the `Problem` object.
"""

import difflib
from functools import cache
from importlib import metadata

from ml_assets.errors import ProblemError
from ml_assets.problem.declaration import Problem

GROUP = "ml_assets.problems"


@cache
def problems() -> tuple[Problem, ...]:
    """Every installed problem, by name.

    Raises:
        ProblemError: If an entry point cannot be loaded, is no `Problem`, or has another name.
    """
    found = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    return tuple(_load(found[name]) for name in sorted(found))


def problem_named(name: str) -> Problem:
    """Return the problem called `name`.

    Raises:
        ProblemError: If there is none; the message lists the ones there are.
    """
    known = {problem.name: problem for problem in problems()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ProblemError(f"There is no problem {name!r}; installed: {', '.join(known)}.{hint}")


def _load(entry: metadata.EntryPoint) -> Problem:
    try:
        problem = entry.load()
    except (ImportError, AttributeError) as error:
        raise ProblemError(
            f"Problem {entry.name!r} ({entry.value}) cannot be loaded: {error}"
        ) from error
    if not isinstance(problem, Problem) or problem.name != entry.name:
        raise ProblemError(f"{entry.value} is not the Problem named {entry.name!r}.")
    return problem
