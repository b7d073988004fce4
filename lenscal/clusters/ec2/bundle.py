"""What machines of a cluster fetch from the bucket: the sources of this lenscal, versions, settings, and the key of the
cluster, which goes when it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lenscal.clusters.ec2 import aws, versions, wheel
from lenscal.clusters.ec2.aws import ClusterError


@dataclass(frozen=True)
class Place:
    """Where a cluster keeps its things, beside the stores of its run."""

    bucket: str
    prefix: str
    """Ends in a slash."""

    @property
    def bundle(self) -> str:
        return f"{self.prefix}bundle/"

    @property
    def logs(self) -> str:
        return f"{self.prefix}logs/"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def place_of(stores: str, cluster: str) -> Place:
    """Of a cluster, from the stores of its run.

    Raises
    ------
    ClusterError
        The stores are not in a bucket: machines would not see them.
    """
    if not stores.startswith("s3://"):
        raise ClusterError(
            f"stores is '{stores}', a folder of this machine, which machines in EC2 do not see; set stores: s3://bucket/prefix"
        )
    bucket, _, prefix = stores.removeprefix("s3://").rstrip("/").partition("/")
    return Place(bucket, f"{prefix}.clusters/{cluster}/" if prefix else f".clusters/{cluster}/")


def parse(text: str) -> Place:
    """The place that a tag names."""
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    return Place(bucket, prefix)


def put(s3: Any, place: Place, key: str, certificate: str, settings: Mapping[str, Any]) -> None:
    """Write a bundle; objects are encrypted where they lie."""
    name, content = wheel.wheel()
    told = {
        **settings,
        "bucket": place.bucket,
        "logs": place.logs,
        "versions": versions.of_this_process(),
    }
    files = {
        name: content,
        "constraints.txt": wheel.constraints().encode(),
        "key.pem": key.encode(),
        "cert.pem": certificate.encode(),
        "settings.json": json.dumps(told, indent=1).encode(),
    }
    with aws.named(f"the bundle of the cluster cannot be written to {place}"):
        for file, body in files.items():
            s3.put_object(Bucket=place.bucket, Key=place.bundle + file, Body=body, ServerSideEncryption="AES256")


def keep(s3: Any, place: Place, name: str, body: bytes) -> None:
    """Keep a file of the run beside its stores."""
    s3.put_object(Bucket=place.bucket, Key=place.prefix + name, Body=body)


def removed(s3: Any, place: Place) -> int:
    """Remove a bundle and say how many objects it had; logs and reports stay."""
    count = 0
    with aws.named(f"the bundle of the cluster cannot be removed from {place}"):
        while found := s3.list_objects_v2(Bucket=place.bucket, Prefix=place.bundle).get("Contents", []):
            for item in found:
                s3.delete_object(Bucket=place.bucket, Key=item["Key"])
            count += len(found)
    return count
