"""Machines kept at the number that is needed: lost ones replaced, idle ones ended, and what they cost counted."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lenscal.clusters.ec2 import aws, prices, tags
from lenscal.clusters.ec2.aws import ClusterError
from lenscal.io import stopping

if TYPE_CHECKING:
    from lenscal.clusters.ec2.cluster import Ec2

LOOK_S, NEW_S, PAUSE_S, IDLE_S, SAY_S = 10.0, 20.0, 60.0, 300.0, 300.0
"""Seconds between two looks, before a new machine is missed, after one was not to be had, without blocks before
machines are ended, and between two words on what they cost.
"""


@dataclass
class Costs:
    """What the machines of a cluster have cost so far."""

    settings: Any
    today: dict[str, float] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)
    """By machine."""
    rates: dict[str, float] = field(default_factory=dict)
    """Dollars an hour, by machine."""

    def count(self, seconds: float, alive: dict[str, tuple[str, bool]]) -> None:
        """Add the time since the last look, of machines by id: their type, and whether they are spot instances."""
        for id_, (kind, spot) in alive.items():
            if id_ not in self.rates:
                self.rates[id_] = prices.hourly(kind, self.settings.region, spot, self.today) + prices.beside(
                    self.settings
                )
            self.hours[id_] = self.hours.get(id_, 0.0) + seconds / 3600

    @property
    def dollars(self) -> float:
        return sum(hours * self.rates[id_] for id_, hours in self.hours.items())

    @property
    def machine_hours(self) -> float:
        return sum(self.hours.values())


def wanted(left: int, threads: int, limits: tuple[int, int], idle_s: float, now: int) -> int:
    """Machines that are needed.

    Parameters
    ----------
    left : int
        Blocks that are not complete.
    threads : int
        Blocks that a machine works on at once.
    limits : pair of int
        Fewest and most machines.
    idle_s : float
        Seconds for which no block was left.
    now : int
        Machines that are there.
    """
    fewest, most = limits
    if left == 0:
        return max(fewest, min(now, most)) if idle_s < IDLE_S else fewest
    return min(most, max(fewest, now, math.ceil(left / threads)))


class Keeper:
    """A thread that looks at the machines of one cluster until it is stopped."""

    def __init__(self, ec2: Any, machines: Any, id_: str, cluster: Ec2) -> None:
        self._ec2, self._machines, self._cluster, self._of = ec2, machines, id_, cluster
        self.settings, self._idle = cluster.settings, time.monotonic()
        kind = prices.type_of(machines.order.types[0], self.settings.region)
        self._threads = self.settings.threads * (self.settings.processes or kind.cores)
        self.costs = Costs(self.settings)
        self.replaced = 0
        self._spent: ClusterError | None = None
        self._paused = 0.0
        self._first: dict[str, float] = {}
        self._said = self._looked = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="lenscal-machines")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the last look is over."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        if self._spent is not None:
            stopping.forget(self._spent)  # it was of this run

    def _keep(self) -> None:
        while not self._stop.is_set():
            with suppress(ClusterError):  # a service that does not answer now is asked again
                self.look()
            self._stop.wait(LOOK_S)

    def look(self) -> None:
        """Count, replace, start and end machines as they are needed.

        Raises
        ------
        ClusterError
            AWS does not answer.
        """
        alive = self._alive()
        now = time.monotonic()
        self.costs.count(now - self._looked, alive)
        self._looked = now
        self._spend(now)
        lost = self._forget_lost(alive)
        workers = len(self._machines.worker_spec)
        if self._of.left:
            self._idle = now
        need = wanted(self._of.left, self._threads, self.settings.workers, now - self._idle, workers + lost)
        if need != workers and now >= self._paused and not self._stop.is_set():
            self._machines.scale(need)

    def _alive(self) -> dict[str, tuple[str, bool]]:
        which = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        with aws.named("machines cannot be looked at"):
            pages = list(self._ec2.get_paginator("describe_instances").paginate(Filters=which))
        return {
            one["InstanceId"]: (one["InstanceType"], one.get("InstanceLifecycle") == "spot")
            for page in pages
            for reservation in page["Reservations"]
            for one in reservation["Instances"]
        }

    def _forget_lost(self, alive: dict[str, tuple[str, bool]]) -> int:
        """Have machines that are gone, or never came, be none of the cluster's; how many."""
        from distributed.core import Status

        lost, now = 0, time.monotonic()
        for name, machine in list(self._machines.workers.items()):
            id_ = (getattr(machine, "instance", None) or {}).get("InstanceId")
            if machine.name in self._machines.order.starting or now - self._first.setdefault(machine.name, now) < NEW_S:
                continue  # AWS may not yet list what it has just given
            if id_ in alive:
                continue
            self._machines.worker_spec.pop(name, None)
            self._machines.workers.pop(name, None)
            machine.status = Status.closed
            lost += 1
            if id_ is None:
                self._paused = now + PAUSE_S
                self._of.say(f"{machine.refused or 'a machine was not to be had'}; asked for again in {PAUSE_S:.0f} s")
            else:
                self.replaced += 1
                self._of.say(f"machine {id_} is gone (taken away, or ended); another is started for it")
        return lost

    def _spend(self, now: float) -> None:
        """Say what was spent, and stop the run when that is the budget."""
        spent = self.costs.dollars
        if now - self._said > SAY_S:
            self._said = now
            of = f" of {self._of.budget:,.2f}" if self._of.budget else ""
            self._of.say(
                f"{len(self._machines.workers)} machines of workers, {self.costs.machine_hours:.1f} machine hours, "
                f"about {spent:,.2f}{of} dollars so far"
            )
        if self._of.budget and spent >= self._of.budget and self._spent is None:
            self._spent = ClusterError(
                f"the run has cost {spent:,.2f} dollars, and cluster.budget_dollars is {self._of.budget:,.2f}; its "
                "machines are ended, what is complete stays complete: raise the budget and run again to go on"
            )
            stopping.because(self._spent)
