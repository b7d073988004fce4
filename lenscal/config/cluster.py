"""The section `cluster`: who does the work."""

from __future__ import annotations

from pydantic import (
    Field,
    model_validator,
)

from lenscal.config.ec2 import Ec2
from lenscal.config.section import Section
from lenscal.errors import InputError


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
    block_attempts: int | None = Field(None, ge=1)
    """How often a block that fails, or whose workers die, is tried before it is set aside; the rest goes on, and the
    run ends with the list of what was set aside. 1 ends the run at the first block that fails. By default 1 on this
    machine and 3 elsewhere.
    """
    ec2: Ec2 | None = None
    """Machines of Amazon EC2 that are started for the run; its keys are listed below."""
    budget_dollars: float | None = Field(None, gt=0)
    """What a run on EC2 may cost: one that is expected to cost more is refused before anything is started, and one that
    has cost as much stops, its machines ended.
    """

    @model_validator(mode="after")
    def _one_place(self) -> Cluster:
        if self.address and self.ec2:
            raise InputError("address and ec2 are both given; the workers are in one place: leave one of them out")
        if self.budget_dollars is not None and self.ec2 is None:
            raise InputError("budget_dollars is given without ec2; nothing else costs by the hour here: leave it out")
        return self
