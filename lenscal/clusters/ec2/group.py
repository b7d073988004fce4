"""The security group of a cluster: it admits the run and the machines of the cluster only, and goes with them."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lenscal.clusters.ec2 import aws, tags
from lenscal.clusters.ec2.aws import ClusterError

WHERE_AM_I = "https://checkip.amazonaws.com"
"""Says the public address from which it is asked."""
REMOVAL_S, TRY_S = 300.0, 5.0


def client_of(settings: Any) -> str:
    """Addresses from which the run connects, as CIDR: those of the run file, else the address of this machine.

    Raises
    ------
    ClusterError
        The address cannot be found out.
    """
    if settings.client:
        return settings.client
    if settings.private:
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("169.254.169.253", 53))  # nothing is sent: the address of the way out is what is wanted
            return f"{probe.getsockname()[0]}/32"
    import requests

    try:
        text = requests.get(WHERE_AM_I, timeout=10).text.strip()
        return f"{ipaddress.ip_address(text)}/32"
    except (requests.RequestException, ValueError):
        raise ClusterError(
            f"{WHERE_AM_I} does not say the public address of this machine; set cluster.ec2.client, such as "
            "203.0.113.7/32"
        ) from None


def made(ec2: Any, name: str, vpc: str, client: str, port: int, marks: Mapping[str, str]) -> str:
    """Id of a new group.

    Parameters
    ----------
    ec2 : client of EC2
    name : str
    vpc : str
        Of the subnet of the machines.
    client : str
        CIDR of the run: it reaches the scheduler and its dashboard.
    port : int
        Of the scheduler; its dashboard has the next.
    marks : mapping
        Tags.
    """
    with aws.named(f"security group '{name}' cannot be made"):
        group = ec2.create_security_group(
            GroupName=name,
            Description="Machines of one run of lenscal",
            VpcId=vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags.listed(marks)}],
        )["GroupId"]
        of_run = {"CidrIpv6": client} if ":" in client else {"CidrIp": client}
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port + 1,
                    "Ipv6Ranges" if ":" in client else "IpRanges": [{**of_run, "Description": "the run"}],
                },
                {
                    "IpProtocol": "tcp",
                    "FromPort": 1024,
                    "ToPort": 65535,
                    "UserIdGroupPairs": [{"GroupId": group, "Description": "the machines of the cluster"}],
                },
            ],
        )
    return group


def removed(ec2: Any, group: str) -> None:
    """Remove a group, once no machine has it any more; one that is gone is no error.

    Raises
    ------
    ClusterError
        Something still has it after five minutes.
    """
    from botocore.exceptions import ClientError

    until = time.monotonic() + REMOVAL_S
    while True:
        try:
            ec2.delete_security_group(GroupId=group)
            return
        except ClientError as error:
            if aws.code_of(error) == "InvalidGroup.NotFound":
                return
            if aws.code_of(error) != "DependencyViolation" or time.monotonic() > until:
                raise ClusterError(
                    f"security group {group} cannot be removed: {aws.reason(error)}; run `lenscal cluster down` again"
                ) from None
        time.sleep(TRY_S)


def open_to_many(ec2: Any, group: str) -> list[str]:
    """Ranges of more than 65,536 addresses that a group admits, such as the whole world."""
    found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ranges = [r.get("CidrIp") for p in found for r in p.get("IpRanges", [])]
    ranges += [r.get("CidrIpv6") for p in found for r in p.get("Ipv6Ranges", [])]
    wide = []
    for one in filter(None, ranges):
        with suppress(ValueError):
            network = ipaddress.ip_network(one)
            if network.prefixlen < (16 if network.version == 4 else 32):
                wide.append(one)
    return wide
