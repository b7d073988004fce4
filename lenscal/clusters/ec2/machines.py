"""The machines of a cluster, by dask-cloudprovider, with what it leaves out: an end of waiting, the next type where one
is not to be had, private addresses among machines, and no machine that begins while the cluster ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from botocore.exceptions import ClientError
from dask_cloudprovider.aws.ec2 import EC2Cluster, EC2Scheduler, EC2Worker

from lenscal.clusters.ec2 import aws, launching, tags
from lenscal.clusters.ec2.aws import ClusterError
from lenscal.clusters.ec2.machine import answers

_LOOK_S = 1.0


@dataclass
class Order:
    """What machines are made by."""

    settings: Any
    """The part `cluster.ec2` of a run file."""
    types: list[str]
    """Of workers, the first to be asked for first."""
    marks: dict[str, str]
    """Tags of all machines."""
    text: Callable[[str, str, str], str]
    """User data, by role, name and address of the scheduler."""
    port: int
    ended: Event = field(default_factory=Event)
    """Set when the cluster ends: nothing is started any more, and nothing waited for."""
    starting: set[str] = field(default_factory=set)
    """Machines that are being asked for at this moment."""


class _Machine:
    """What schedulers and workers have in common; a mixin of the classes of dask-cloudprovider."""

    role = ""
    refused = ""
    """Why it could not be had."""

    async def create_vm(self) -> tuple[str, str | None]:
        """Ask for a machine, of the next type or market where one is not to be had; its private and public address."""
        order: Order = self.cluster.order
        worker = self.role == "worker"
        types = order.types if worker else [order.settings.scheduler_type]
        refused = []
        for name, spot in launching.choices(types, worker and order.settings.spot):
            if order.ended.is_set():
                raise ClusterError("the cluster ends: no further machine is started")
            self.instance_type, self.spot = name, spot
            order.starting.add(self.name)
            try:
                return await super().create_vm()
            except ClientError as error:
                if aws.code_of(error) not in launching.NOT_TO_BE_HAD:
                    raise ClusterError(f"no machine of type {name}: {aws.reason(error)}") from None
                refused.append(f"{name}{' (spot)' if spot else ''}: {aws.code_of(error)}")
            finally:
                order.starting.discard(self.name)
        self.refused = (
            f"no {self.role} is to be had ({'; '.join(refused)}); name more types in cluster.ec2.instance_types, ask "
            "for a larger quota, or wait"
        )
        raise ClusterError(self.refused)

    async def destroy_vm(self) -> None:
        """End the machine, if there ever was one."""
        if self.instance is not None:
            await super().destroy_vm()

    async def configure_vm(self, client: Any) -> tuple[str, str | None]:
        """Name the machine and wait for its addresses: the private one for machines, the public one for the run."""
        public, _ = await super().configure_vm(client)
        private = self.instance["PrivateIpAddress"]
        return private, None if self.use_private_ip else public


class Scheduler(_Machine, EC2Scheduler):
    """The machine of the scheduler."""

    role = "scheduler"

    async def wait_for_scheduler(self) -> None:
        """Wait until the scheduler takes a connection.

        Raises
        ------
        ClusterError
            The machine ended, or the time that it may take is over.
        """
        order: Order = self.cluster.order
        address, began = getattr(self, "external_address", None) or self.address, time.monotonic()
        looked = began
        while not await asyncio.to_thread(answers, address, 2.0):
            age = time.monotonic() - began
            if order.ended.is_set():
                raise ClusterError("the cluster ends: its scheduler is not waited for")
            if age > order.settings.start_timeout:
                raise ClusterError(
                    f"the scheduler did not start within {age:.0f} s (cluster.ec2.start_timeout); its own words are in "
                    f"the log below 'logs/' beside the stores, or in the console output of "
                    f"{self.instance['InstanceId']}"
                )
            if time.monotonic() - looked > 15:
                looked = time.monotonic()
                await self._still_there()
            await asyncio.sleep(_LOOK_S)

    async def _still_there(self) -> None:
        id_ = self.instance["InstanceId"]
        state = await asyncio.to_thread(_state, self.region, id_)
        if state not in ("pending", "running"):
            raise ClusterError(
                f"the machine of the scheduler ({id_}) is '{state}' before it answered; its own words are in the log "
                "below 'logs/' beside the stores, or in its console output"
            )


def _state(region: str, id_: str) -> str:
    found = aws.client("ec2", region).describe_instances(InstanceIds=[id_])["Reservations"]
    return found[0]["Instances"][0]["State"]["Name"]


class Worker(_Machine, EC2Worker):
    """A machine of workers."""

    role = "worker"


class Machines(EC2Cluster):
    """Scheduler and workers; see `Order`."""

    def __init__(self, order: Order, security: Any, group: str, name: str) -> None:
        self.order = order
        settings = order.settings
        super().__init__(
            region=settings.region,
            ami=settings.ami,
            bootstrap=False,
            scheduler_instance_type=settings.scheduler_type,
            worker_instance_type=order.types[0],
            vpc="given with the subnet",
            subnet_id=settings.subnet,
            security_groups=[group],
            filesystem_size=settings.volume_gb,
            iam_instance_profile={"Name": settings.instance_profile},
            instance_tags=order.marks,
            volume_tags=order.marks,
            use_private_ip=settings.private,
            enable_detailed_monitoring=False,
            security=security,
            scheduler_options={"port": order.port},
            n_workers=0,
            name=name,
        )

    async def _start(self) -> None:
        self.scheduler_class, self.worker_class = Scheduler, Worker
        self.boto_session.register("provide-client-params.ec2.RunInstances", self._complete)
        await super()._start()

    def _complete(self, params: dict, **_: Any) -> dict:
        role = "worker" if params["UserData"].splitlines()[1].startswith("# lenscal: worker") else "scheduler"
        return launching.completed(params, {**self.order.marks, tags.ROLE: role})

    def render_process_cloud_init(self, process: Any) -> str:
        """The text that starts a machine; called by dask-cloudprovider."""
        return self.order.text(process.role, process.name, getattr(process, "scheduler", ""))

    def _log(self, log: str) -> None:
        """What dask-cloudprovider says of machines is said again by the run where it matters."""
