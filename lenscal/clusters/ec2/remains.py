"""What is left in an account of clusters of lenscal, by its tags, and its removal; both may be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lenscal.clusters.ec2 import aws, bundle, group, tags

_ALIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]
ENDED_S, LOOK_S = 300.0, 3.0
"""Seconds that machines may take to end, and between two looks at them."""


@dataclass(frozen=True)
class Thing:
    """Something in the account that was made for a cluster."""

    kind: str
    """instance, spot request, volume, security group or launch template."""
    id: str
    state: str
    tags: dict[str, str]

    @property
    def cluster(self) -> str:
        return self.tags.get(tags.CLUSTER, "")


def remains(ec2: Any, cluster: str | None = None) -> list[Thing]:
    """All that has the tag of clusters of lenscal, or of one of them, in one region."""
    which = (
        {"Name": f"tag:{tags.CLUSTER}", "Values": [cluster]}
        if cluster
        else {"Name": "tag-key", "Values": [tags.CLUSTER]}
    )
    with aws.named("what is left of clusters cannot be listed"):
        return [*_instances(ec2, which), *_others(ec2, which)]


def _pages(ec2: Any, call: str, **arguments: object) -> Iterator[dict]:
    if ec2.can_paginate(call):
        yield from ec2.get_paginator(call).paginate(**arguments)
    else:
        yield getattr(ec2, call)(**arguments)


def _instances(ec2: Any, which: dict) -> Iterator[Thing]:
    alive = {"Name": "instance-state-name", "Values": _ALIVE}
    for page in _pages(ec2, "describe_instances", Filters=[which, alive]):
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                yield Thing("instance", one["InstanceId"], one["State"]["Name"], tags.named(one.get("Tags")))


_OTHERS = (
    ("spot request", "describe_spot_instance_requests", "SpotInstanceRequests", "SpotInstanceRequestId"),
    ("volume", "describe_volumes", "Volumes", "VolumeId"),
    ("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
)
_OVER = {"closed", "cancelled", "failed", "deleting", "deleted"}


def _others(ec2: Any, which: dict) -> Iterator[Thing]:
    for kind, call, key, id_ in _OTHERS:
        for page in _pages(ec2, call, Filters=[which]):
            for one in page[key]:
                if one.get("State", "") not in _OVER:
                    yield Thing(kind, one[id_], one.get("State", "there"), tags.named(one.get("Tags")))


def removed(ec2: Any, s3: Any, things: Iterable[Thing]) -> list[Thing]:
    """End and remove things; what is gone already is no error.

    Returns
    -------
    list of Thing
        All that was found.

    Raises
    ------
    ClusterError
        Something cannot be removed; it is named, and all else is gone.
    """
    things = list(things)
    by_kind = {kind: [t.id for t in things if t.kind == kind] for kind in {t.kind for t in things}}
    if spots := by_kind.get("spot request"):
        with suppress(Exception):  # one-time requests end with their machines
            ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=spots)
    if machines := by_kind.get("instance"):
        ended(ec2, machines)
    for place in {t.tags[tags.BUNDLE] for t in things if tags.BUNDLE in t.tags}:
        bundle.removed(s3, bundle.parse(place))
    for volume in by_kind.get("volume", []):
        _gone(f"volume {volume} cannot be removed", lambda volume=volume: ec2.delete_volume(VolumeId=volume))
    for template in by_kind.get("launch template", []):
        _gone(
            f"launch template {template} cannot be removed",
            lambda template=template: ec2.delete_launch_template(LaunchTemplateId=template),
        )
    for one in by_kind.get("security group", []):
        group.removed(ec2, one)
    return things


def ended(ec2: Any, machines: list[str], wait: bool = True) -> None:
    """End machines, and see that they have ended (a group cannot be removed before)."""
    _gone("machines cannot be ended", lambda: ec2.terminate_instances(InstanceIds=machines))
    until = time.monotonic() + ENDED_S
    while wait and time.monotonic() < until:
        ids = {"Name": "instance-id", "Values": machines}
        if not list(_instances(ec2, ids)):
            return
        time.sleep(LOOK_S)


def _gone(what: str, ask: Any) -> None:
    """Ask for a removal; that the thing is not there any more is what was wanted."""
    from botocore.exceptions import ClientError

    with aws.named(what):
        try:
            ask()
        except ClientError as error:
            if not aws.code_of(error).endswith(".NotFound"):
                raise
