"""Which versions answer: of each problem the champion, and others that a client names.

A version is loaded whole, compared with its slower ways and so warmed before it takes a request;
the switch to it is one assignment. A bundle that cannot be used leaves the old one answering, also
in a process that starts then.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from ml_assets.errors import MLAssetsError, VersionNotFound
from ml_assets.feedback import logged_columns
from ml_assets.inference import Predictor
from ml_assets.problem import Problem
from ml_assets.registry import ModelVersion, champion, load_bundle, releases, version_named
from ml_assets.serving.telemetry import Telemetry
from ml_assets.serving.watching import Learned, Watch, learned
from ml_assets.storage import Home

NAMED_VERSIONS = 4
"""Versions beside the champions that stay loaded; the one that was asked for longest ago goes."""


RETRY_SECONDS = 30.0
"""After so long a champion that could not be loaded is tried again: a store may have been away."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A version that can answer.

    Attributes:
        version: As registered.
        predictor: Answers rows.
        kept: Columns of a request that are logged.
        known: What it has learned of rows.
        watch: Of the problem's rows.
    """

    version: ModelVersion
    predictor: Predictor
    kept: frozenset[str]
    known: Learned
    watch: Watch


class Swap(NamedTuple):
    """A change of the version that answers, or an attempt at it."""

    problem: str
    before: str | None
    """The version that answered, or that goes on when the new one cannot."""
    after: str
    failure: str | None
    """Why the old one goes on; None when the new one answers."""


class Attempt(NamedTuple):
    """A champion that could not be loaded, and when it was tried, in seconds of this machine."""

    version: str
    at: float


class Deployments:
    """The versions that one process has loaded.

    Attributes:
        problems: Those that are served, by name.
        current: Problem to the version that answers for it.
        failures: Problem to why its champion could not be loaded.
        watches: Problem to what is wrong with its rows.
    """

    def __init__(
        self,
        home: Home,
        problems: Sequence[Problem],
        *,
        telemetry: Telemetry | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        odd_values = (telemetry or Telemetry()).odd_values
        self.home = home
        self._retry_seconds = retry_seconds
        self.problems: Mapping[str, Problem] = {problem.name: problem for problem in problems}
        self.current: dict[str, Live] = {}
        self.failures: dict[str, str] = {}
        self.watches = {problem.name: Watch(problem, odd_values) for problem in problems}
        self._refused: dict[str, Attempt] = {}
        self._named: OrderedDict[tuple[str, str], Live] = OrderedDict()
        self._loading = threading.Lock()

    @property
    def unanswered(self) -> list[str]:
        """Problems that a client waits for: no version answers where one should.

        One that has no champion yet is not waited for, as long as another problem answers.
        """
        waiting = [name for name in self.problems if name not in self.current]
        return [name for name in waiting if name in self.failures or not self.current]

    def follow(self) -> list[Swap]:
        """Look at the registry once, and let new champions answer; what changed, or failed to."""
        swaps = (self._follow_one(problem) for problem in self.problems.values())
        return [swap for swap in swaps if swap is not None]

    def named(self, problem: str, version: str) -> Live:
        """Return a version by its id or number, loading it when it is asked for first.

        Raises:
            VersionNotFound: If there is none.
            ArtifactError: If its bundle cannot be used.
        """
        found = version_named(self.problems[problem], self.home, version)
        live = self.current.get(problem)
        if live is not None and live.version.version == found.version:
            return live
        with self._loading:
            return self._remembered(problem, found)

    def champion_of(self, problem: str) -> Live:
        """Return the version that answers.

        Raises:
            VersionNotFound: If there is none.
        """
        live = self.current.get(problem)
        if live is None:
            why = self.failures.get(problem, "no model has been promoted yet")
            raise VersionNotFound(f"{problem} has no champion that can answer: {why}.")
        return live

    def _remembered(self, problem: str, version: ModelVersion) -> Live:
        key = problem, version.version
        live = self._named.get(key) or self._load(self.problems[problem], version)
        self._named[key] = live
        self._named.move_to_end(key)
        if len(self._named) > NAMED_VERSIONS:
            self._named.popitem(last=False)
        return live

    def _follow_one(self, problem: Problem) -> Swap | None:
        found = champion(problem, self.home)
        live = self.current.get(problem.name)
        before = live.version.version if live else None
        if found is None:
            return None
        if found.version == before:
            self._forget_failure(problem.name)
            return None
        refused = self._refused.get(problem.name)
        was_refused = refused is not None and refused.version == found.version
        if refused and was_refused and time.monotonic() < refused.at + self._retry_seconds:
            return None
        failure = self._switch(problem, found)
        if failure and was_refused:
            return None  # it was told already
        if failure and (goes_on := self.current.get(problem.name)):
            before = goes_on.version.version
        return Swap(problem.name, before, found.version, failure)

    def _switch(self, problem: Problem, version: ModelVersion) -> str | None:
        """Let a version answer; why it cannot, where it cannot."""
        try:
            self.current[problem.name] = self._load(problem, version)
        except MLAssetsError as error:
            self._refused[problem.name] = Attempt(version.version, time.monotonic())
            self.failures[problem.name] = f"{version.version} cannot be loaded: {error}"
            if problem.name not in self.current:
                self._fall_back(problem, version)
            return str(error)
        self._forget_failure(problem.name)
        return None

    def _fall_back(self, problem: Problem, refused: ModelVersion) -> None:
        """Let the version answer that answered before, as it would had this process run then."""
        log = releases(problem, self.home)
        taken_back = {each.from_version for each in log if each.kind == "rollback"}
        former = dict.fromkeys(each.to_version for each in reversed(log))
        for name in [name for name in former if name not in {refused.version, *taken_back}]:
            with suppress(MLAssetsError):
                found = version_named(problem, self.home, name)
                self.current[problem.name] = self._load(problem, found)
                return

    def _forget_failure(self, problem: str) -> None:
        self.failures.pop(problem, None)
        self._refused.pop(problem, None)

    def _load(self, problem: Problem, version: ModelVersion) -> Live:
        bundle = load_bundle(problem, self.home, version)
        predictor = Predictor(problem, bundle, version=version.version)
        return Live(
            version=version,
            predictor=predictor,
            kept=logged_columns(problem),
            known=learned(predictor),
            watch=self.watches[problem.name],
        )
