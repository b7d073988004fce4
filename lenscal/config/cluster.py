"""The section `cluster`: who does the work."""

from __future__ import annotations

from pydantic import (
    Field,
)

from lenscal.config.section import Section


class Cluster(Section):
    """Where blocks of work are done."""

    workers: int | None = Field(None, ge=1)
    """Worker processes on this machine; one per core by default (reading FITS holds the interpreter's lock, so threads
    would wait for each other).
    """
    threads: int | None = Field(None, ge=1)
    """Threads of each worker; the cores are shared out by default."""
    memory_limit: str = Field("4GB", pattern=r"^([0-9.]+ *([kMGT]i?)?B|[0-9.]+|auto)$")
    """Memory that each worker may use."""
    address: str | None = Field(None, pattern=r"^([a-z]+://)?[^/\s]+:[0-9]{1,5}$")
    """Address of a running Dask scheduler, such as `tcp://10.0.0.1:8786`; its workers do the work, and
    must see the same paths.
    """
    dashboard: bool = True
    """Whether Dask's dashboard is served, on localhost."""
    block_timeout: float | None = Field(None, gt=0)
    """Seconds after which a block that does not end is done again, its worker started anew, and at the second time
    stops the run. None by default, but a line says after 30 s at what a run waits."""
    workers_timeout: float | None = Field(600, gt=0)
    """Seconds after which a run stops that no worker has come to; a line says after 30 s that it waits for them."""
