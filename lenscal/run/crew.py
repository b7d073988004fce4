"""Who does the work of a run, and how much memory it took."""

from __future__ import annotations

from contextlib import suppress

from lenscal.config import Settings
from lenscal.io import cluster
from lenscal.run.progress import Display


class Crew:
    """The workers, started when the first block needs it."""

    def __init__(self, settings: Settings, display: Display) -> None:
        self.settings, self.display = settings, display
        self.memory: dict[str, float] = {}
        self._context = self._client = None

    def __enter__(self) -> Crew:
        return self

    @property
    def client(self) -> object:
        if self._client is None:
            self._context = cluster.client(self.settings.cluster)
            self._client = self._context.__enter__()
            if self.settings.cluster.dashboard:
                with suppress(OSError, RuntimeError):  # a scheduler that is gone already is told of by `sweep`
                    self.display.dashboard(getattr(self._client, "dashboard_link", None))
        return self._client

    def __exit__(self, *error: object) -> None:
        self.memory["driver"] = peak_memory()
        if self._client is not None:
            if error[0] is None:
                with suppress(OSError, RuntimeError):  # a scheduler that ends after the last block takes nothing with it
                    self.memory["workers"] = sum(self._client.run(peak_memory).values())
            self._context.__exit__(None, None, None)


def peak_memory() -> float:
    """Of this process, in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
