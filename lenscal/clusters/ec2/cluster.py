"""Machines of Amazon EC2 as a cluster of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lenscal import extras
from lenscal.engine import events


@dataclass
class Ec2:
    """One scheduler and some workers, in a security group of their own, speaking TLS with a key made for them."""

    settings: Any
    """The part `cluster.ec2` of a run file."""
    stores: str
    """``s3://bucket/prefix`` of the run; what the cluster needs and leaves lies beside it."""
    run: str
    """Name of the run."""
    memory_limit: str = "auto"
    """Of a worker process, as Dask takes it."""
    dashboard: bool = True
    """Whether Dask's dashboard is served, to the run only."""
    budget: float | None = None
    """Dollars at which the run is stopped."""
    tell: events.Events = field(default_factory=events.Events, compare=False)
    """Told of machines that come and go, and of what they cost."""
    before: Callable[[], None] | None = field(default=None, compare=False)
    """Called before anything is started; what it raises is refused."""
    left: int = field(default=0, compare=False)
    """Blocks of the stage at work that are not complete: machines are started and ended by that."""

    def __call__(self, event: events.Event) -> None:
        """Follow how many blocks are left."""
        match event:
            case events.Started():
                self.left = event.blocks - event.complete
            case events.BlockEnded():
                self.left = max(0, self.left - 1)
            case events.Finished():
                self.left = 0

    def say(self, text: str) -> None:
        """A remark for those who listen."""
        self.tell(events.Told("", text))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("tell", "before")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, tell=events.Events(), before=None)

    @contextmanager
    def client(self) -> Iterator[Any]:
        """See `Cluster.client`; everything that was made is removed at the end, a second time by its tags.

        Raises
        ------
        ClusterError
            Machines cannot be had, or do not start; the message says why and what to do.
        """
        if self.before is not None:
            self.before()
        with extras.named():
            import dask_cloudprovider.aws  # noqa: F401
        from lenscal.clusters.ec2.life import Life

        with Life(self).client() as connected:
            yield connected
