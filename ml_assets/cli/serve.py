"""Run the prediction service, and say where it is and what it answers."""

from collections.abc import Callable, Sequence

from ml_assets.cli.printing import say
from ml_assets.problem import Problem
from ml_assets.registry import champion
from ml_assets.serving.server import Settings, serve, served_problems
from ml_assets.storage import Home


def run_service(settings: Settings) -> None:
    """Serve until a signal ends it."""
    serve(settings, listening=announcement(settings))


def announcement(settings: Settings) -> Callable[[str], None]:
    """What is said once the port is open."""

    def announce(address: str) -> None:
        say(f"The prediction service is starting on {address}; its docs: {address}/docs")
        say(f"Models, trials, review and feedback for people: {address}/console/")
        for line in _answering(served_problems(settings), Home.open(settings.home)):
            say(line)
        say(_who_may_ask(settings))
        say("Ctrl-C ends it.")

    return announce


def _answering(problems: Sequence[Problem], home: Home) -> list[str]:
    return [_answered_by(problem, home) for problem in problems]


def _answered_by(problem: Problem, home: Home) -> str:
    found = champion(problem, home)
    if found is None:
        return f"{problem.name}: no champion yet; it is answered as soon as one is released."
    return f"{problem.name}: {found.number} ({found.version}) is champion."


def _who_may_ask(settings: Settings) -> str:
    if settings.needs_keys:
        return "Every request needs a key (ml-assets keys add NAME --role predict)."
    return "Nobody needs a key: only this machine reaches it. Ask for keys with --keys."
