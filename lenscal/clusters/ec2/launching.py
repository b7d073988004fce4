"""Which machine is asked for, and what is asked for when it is not to be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lenscal.clusters.ec2 import tags

NOT_TO_BE_HAD = {
    "InsufficientInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientHostCapacity",
    "SpotMaxPriceTooLow",
    "MaxSpotInstanceCountExceeded",
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
    "Unsupported",
    "UnsupportedOperation",
}
"""What EC2 answers when there is no such machine now, or no more of them for this account."""


def choices(types: Sequence[str], spot: bool) -> Iterator[tuple[str, bool]]:
    """Types to be asked for, one after the other, each with whether as a spot instance: all types as spot instances,
    then all on demand.
    """
    if spot:
        yield from ((name, True) for name in types)
    yield from ((name, False) for name in types)


def completed(request: dict, marks: dict[str, str]) -> dict:
    """A request for a machine (`RunInstances`) with what dask-cloudprovider does not ask for: an encrypted volume,
    tokens for what a machine may ask of itself, and tags of all that the request makes.
    """
    for device in request.get("BlockDeviceMappings", []):
        if "Ebs" in device:
            device["Ebs"]["Encrypted"] = True
            device.pop("VirtualName", None)  # of instance stores, not of volumes
    request["MetadataOptions"] = {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1}
    kinds = ["instance", "volume", "network-interface"]
    if "InstanceMarketOptions" in request:
        kinds.append("spot-instances-request")
    request["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags.listed(marks)} for kind in kinds]
    return request
