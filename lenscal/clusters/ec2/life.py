"""The life of one cluster of machines, from its first request to the last removal."""

from __future__ import annotations

import copy
import datetime
import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lenscal.clusters.cluster import quiet
from lenscal.clusters.connecting import connect
from lenscal.clusters.ec2 import aws, bundle, group, prices, remains, tags, tls, versions
from lenscal.clusters.ec2.aws import ClusterError
from lenscal.clusters.ec2.userdata import Machine, user_data

if TYPE_CHECKING:
    from lenscal.clusters.ec2.cluster import Ec2
    from lenscal.clusters.ec2.keeping import Keeper

PORT = 8786
"""Of the scheduler; its dashboard has the next."""
HOST = ""
"""Address at which the scheduler listens; all those of its machine, which the security group guards."""
GONE_S, DEATHS = 60.0, 10
"""Seconds without a scheduler after which a machine of workers ends, and workers that may die at one block: spot
instances are taken away at any moment, and a block is not to blame.
"""
LAST_S = 60.0
"""Seconds that machines that are just being asked for are waited for, so that they can be ended."""


class Life:
    """Of one cluster, which has an id of its own."""

    def __init__(self, cluster: Ec2) -> None:
        self._of, self.settings = cluster, cluster.settings
        self.id = f"{cluster.run[:40]}-{uuid.uuid4().hex[:8]}"
        self.place = bundle.place_of(cluster.stores, self.id)
        self._ec2, self._s3 = (aws.client(service, self.settings.region) for service in ("ec2", "s3"))

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A client of the scheduler, as long as the context lasts."""
        import dask

        from lenscal.clusters.ec2.machines import Machines

        with quiet("distributed", "distributed.client", "distributed.core", "distributed.comm"), ExitStack() as made:
            made.callback(_restore, copy.deepcopy(dask.config.config))
            made.callback(self._end)
            key, certificate = tls.pair(self.settings.lifetime_hours + 1)
            own = self._group()
            bundle.put(self._s3, self.place, key, certificate, self._told())
            order, security = self._order(), tls.security(key, certificate)
            made.callback(_settle, order)
            self._of.say(f"cluster {self.id}: machines are started in {self.settings.region}")
            try:
                machines = Machines(order, security, own, f"lenscal-{self.id}")
            except RuntimeError as error:
                raise ClusterError(aws.without_secrets(str(error.__cause__ or error)) + self._last_words()) from None
            made.callback(_closed, machines)
            connected = connect(machines.scheduler_address, security=security, timeout="60s")
            made.callback(_left, connected)
            self._check(connected)
            made.enter_context(self._kept(machines))
            made.enter_context(_reported(connected, self._s3, self.place))
            yield connected

    def _last_words(self) -> str:
        """The end of what a machine that did not start has said, where its log came as far as the bucket."""
        with suppress(Exception):
            found = self._s3.list_objects_v2(Bucket=self.place.bucket, Prefix=self.place.logs)["Contents"]
            body = self._s3.get_object(Bucket=self.place.bucket, Key=found[-1]["Key"])["Body"].read()
            return f"; its log ends: {aws.without_secrets(body.decode(errors='replace')).strip()[-400:]}"
        return ""

    def _group(self) -> str:
        """The security group, made or given."""
        if self.settings.security_group:
            return self.settings.security_group
        client = group.client_of(self.settings)
        with aws.named(f"subnet {self.settings.subnet} cannot be found"):
            vpc = self._ec2.describe_subnets(SubnetIds=[self.settings.subnet])["Subnets"][0]["VpcId"]
        return group.made(self._ec2, f"lenscal-{self.id}", vpc, client, PORT, self._marks())

    def _order(self) -> Any:
        from lenscal.clusters.ec2.machines import Order

        self._today: dict[str, float] = {}
        if self.settings.spot:
            with suppress(ClusterError):  # then they are asked for in the order of the run file
                self._today = prices.spot_prices(self._ec2, self.settings.instance_types)
        types = prices.ordered(self.settings.instance_types, self.settings.region, self._today)
        return Order(self.settings, types, self._marks(), self._text, PORT)

    def _marks(self) -> dict[str, str]:
        until = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(hours=self.settings.lifetime_hours)
        return {
            **self.settings.tags,
            tags.CLUSTER: self.id,
            tags.RUN: self._of.run,
            tags.OWNER: self.settings.owner,
            tags.EXPIRY: until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            tags.BUNDLE: str(self.place),
        }

    def _told(self) -> dict[str, Any]:
        """What machines need to know."""
        settings = self.settings
        return {
            "region": settings.region,
            "port": PORT,
            "host": HOST,
            "dashboard": self._of.dashboard,
            "processes": settings.processes,
            "threads": settings.threads,
            "memory_limit": self._of.memory_limit,
            "idle_timeout": settings.idle_timeout,
            "gone_s": GONE_S,
            "allowed_failures": DEATHS,
        }

    def _text(self, role: str, name: str, scheduler: str) -> str:
        settings = self.settings
        minutes = max(1, round(60 * settings.lifetime_hours))
        of = (settings.region, self.place.bucket, self.place.bundle, minutes, settings.python)
        return user_data(Machine(role, name, scheduler, *of))

    def _check(self, connected: Any) -> None:
        """Refuse a scheduler of other versions; workers refuse themselves."""
        there = connected.run_on_scheduler(versions.of_this_process)
        if differ := versions.differences(versions.of_this_process(), there):
            raise ClusterError(
                f"the scheduler differs from this run: {'; '.join(differ)}; make the environment of cluster.ec2.python "
                "anew with the versions of this one, or leave that key out"
            )

    @contextmanager
    def _kept(self, machines: Any) -> Iterator[None]:
        """Machines are looked after; at the end stands beside the stores what there was and what it cost."""
        from lenscal.clusters.ec2.keeping import Keeper

        keeper = Keeper(self._ec2, machines, self.id, self._of)
        keeper.costs.today = self._today
        keeper.start()
        try:
            yield
        finally:
            keeper.stop()
            with suppress(Exception):  # an account of the run, which is over
                bundle.keep(self._s3, self.place, "cluster.json", json.dumps(self._record(keeper), indent=1).encode())
            costs = keeper.costs
            self._of.say(
                f"cluster {self.id}: {costs.machine_hours:.2f} machine hours, about {costs.dollars:.2f} dollars"
            )

    def _record(self, keeper: Keeper) -> dict[str, Any]:
        return {
            "cluster": self.id,
            "run": self._of.run,
            "region": self.settings.region,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine_hours": {id_: round(hours, 4) for id_, hours in keeper.costs.hours.items()},
            "dollars": round(keeper.costs.dollars, 4),
            "prices_as_of": str(prices.as_of()),
            "replaced": keeper.replaced,
        }

    def _end(self) -> None:
        """End and remove all that has the tag of this cluster, whether it is known here or not; Ctrl-C does not
        interrupt it.
        """
        with _unstopped():
            things = remains.removed(self._ec2, self._s3, remains.remains(self._ec2, self.id))
            bundle.removed(self._s3, self.place)
            self._of.say(f"cluster {self.id}: ended, {len(things)} things removed; its logs are in {self.place}logs/")


def _settle(order: Any) -> None:
    """Nothing begins any more; what is just being asked for is waited for, so that its id and tags are there."""
    order.ended.set()
    until = time.monotonic() + LAST_S
    while order.starting and time.monotonic() < until:
        time.sleep(0.1)


def _closed(machines: Any) -> None:
    """Leave dask-cloudprovider's own account of the machines; they are ended by their tags all the same."""
    machines.order.ended.set()
    with suppress(Exception):
        machines.close(timeout=20)


def _left(connected: Any) -> None:
    with suppress(Exception):  # a scheduler that is gone cannot be told that nobody asks any more
        connected.close(timeout=5)


def _restore(before: dict) -> None:
    """Dask's settings as they were: dask-cloudprovider leaves the key of the cluster in them."""
    import dask

    dask.config.config.clear()
    dask.config.config.update(before)


@contextmanager
def _reported(connected: Any, s3: Any, place: bundle.Place) -> Iterator[None]:
    """Dask's report of what was done when, kept beside the stores."""
    from distributed import performance_report

    with TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        report = performance_report(filename=str(file))
        with suppress(Exception):
            report.__enter__()
        try:
            yield
        finally:
            with suppress(Exception):  # the scheduler may be gone
                report.__exit__(None, None, None)
                bundle.keep(s3, place, "performance-report.html", file.read_bytes())


@contextmanager
def _unstopped() -> Iterator[None]:
    """A further Ctrl-C is heard when the block is over."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
