"""What all processes of a service counted: whichever answers Prometheus speaks for all of them.

Each writes its counts to a file of its own, twice a second; the one that is asked adds the others'
to its own. The file of a process that died stays, so that no sum ever falls.
"""

import uuid
from pathlib import Path

from ml_assets.serving.telemetry import Telemetry


class SharedCounts:
    """The counts of one process, and the folder where it finds those of the others.

    Args:
        own: What this process counts.
        folder: None where it is the only one.
    """

    def __init__(self, own: Telemetry, folder: Path | None) -> None:
        self._own = own
        self._folder = folder
        self._name = f"{uuid.uuid4().hex}.json"

    def write(self) -> None:
        """Let the others know."""
        if self._folder is None:
            return
        unfinished = self._folder / f"{self._name}.part"
        unfinished.write_bytes(self._own.counts())
        unfinished.replace(self._folder / self._name)

    def total(self) -> Telemetry:
        """What was counted by all of them."""
        if self._folder is None:
            return self._own
        total = Telemetry()
        total.include(self._own.counts())
        for path in self._folder.glob("*.json"):
            if path.name != self._name:
                total.include(path.read_bytes())
        return total
