"""The part `ec2` of the section `cluster`: machines that are started for a run, and end with it."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import Field, field_validator, model_validator

from lenscal.config.section import Section
from lenscal.errors import InputError


class Ec2(Section):
    """Machines of Amazon EC2, one scheduler and workers, started for a run and ended with it (docs/cluster.md)."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """Where the machines are, such as `us-west-2`; the bucket of the stores has to be there too."""
    ami: str = Field(pattern=r"^ami-[0-9a-f]{8,17}$")
    """Image of the machines: Ubuntu 24.04 or newer, of the architecture of the instance types."""
    subnet: str = Field(pattern=r"^subnet-[0-9a-f]{8,17}$")
    """Subnet of the machines; the security group is made in its VPC."""
    instance_profile: str = Field(min_length=1)
    """Name of the instance profile whose role reads the survey and writes the stores: no key travels to a machine."""
    instance_types: list[str] = Field(["m7i.4xlarge", "m6i.4xlarge", "r7i.4xlarge"], min_length=1)
    """Types of the workers, the preferred first: where one is not to be had, the next is asked for."""
    scheduler_type: str = "m7i.large"
    """Type of the machine of the scheduler, which is never a spot instance."""
    workers: tuple[int, int] = (1, 25)
    """Fewest and most machines of workers: the most while blocks are left, the fewest while this machine works."""
    spot: bool = True
    """Spot instances, and on-demand ones where there is no spot capacity; a machine that is reclaimed is replaced."""
    processes: int | None = Field(None, ge=1)
    """Worker processes of a machine; one per vCPU by default."""
    threads: int = Field(1, ge=1)
    """Threads of each of them."""
    client: str | None = None
    """Addresses from which the run connects, as CIDR (`203.0.113.7/32`); by default the public address of this machine
    (asked of checkip.amazonaws.com), or its own where `private` is set.
    """
    private: bool = False
    """The run works inside the VPC: machines get no public address, and need a NAT or endpoints to fetch packages."""
    security_group: str | None = Field(None, pattern=r"^sg-[0-9a-f]{8,17}$")
    """A group that is there already; by default one is made for the run and removed with it, which admits the run and
    itself only.
    """
    python: str | None = None
    """A Python on the image that has the requirements of lenscal; by default an environment is made on each machine
    from the package index, with the versions of this one. The sources of lenscal always are those of this run.
    """
    shared_folders: bool = False
    """The image mounts the folders that the run file names at the same paths as on this machine; else what blocks read
    has to lie at an address (s3, https).
    """
    volume_gb: int = Field(60, ge=10)
    """Root volume of a machine."""
    idle_timeout: float = Field(600, ge=30)
    """Seconds after which the machines end when the run that started them is no longer connected."""
    start_timeout: float = Field(900, gt=0)
    """Seconds that the scheduler may take to start."""
    lifetime_hours: float = Field(48, gt=0)
    """Hours after which a machine ends, whatever it does."""
    owner: str = Field(min_length=1)
    """Who answers for the machines: a tag of everything that is made."""
    tags: dict[str, str] = {}
    """More tags."""

    @field_validator("client", mode="after")
    @classmethod
    def _not_the_world(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            network = ip_network(value)
        except ValueError as error:
            raise InputError(f"is no range of addresses ({error}); write such as 203.0.113.7/32") from None
        if network.prefixlen < (16 if network.version == 4 else 32):
            raise InputError(
                f"opens the scheduler to {network.num_addresses:,} addresses; name those from which the run connects, "
                "such as 203.0.113.7/32"
            )
        return value

    @model_validator(mode="after")
    def _tags_are_ours(self) -> Ec2:
        if taken := sorted(name for name in self.tags if name.startswith(("lenscal", "aws:")) or name == "Name"):
            raise InputError(f"tags names {taken[0]!r}, which lenscal or EC2 sets; give it another name")
        fewest, most = self.workers
        if not 0 <= fewest <= most or most < 1:
            raise InputError(f"workers is [{fewest}, {most}]; expected the fewest and the most, such as [1, 25]")
        return self
