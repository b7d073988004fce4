"""What machines cost and have: a table with its date, and today's spot prices where AWS is asked."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lenscal.clusters.ec2 import aws
from lenscal.clusters.ec2.aws import ClusterError

TABLE = Path(__file__).with_name("prices.yaml")
_HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Type:
    """One type of machine."""

    name: str
    dollars: float
    """An hour, on demand, in the region that was asked for."""
    cores: int
    """vCPU."""
    memory_gb: float
    architecture: str


@lru_cache(maxsize=1)
def table() -> dict:
    """The table of prices."""
    return yaml.safe_load(TABLE.read_text())


def as_of() -> datetime.date:
    """The day of the table."""
    return table()["as_of"]


def type_of(name: str, region: str) -> Type:
    """A type by its name.

    Raises
    ------
    ClusterError
        The table has none of this name.
    """
    found = table()["types"].get(name)
    if found is None:
        raise ClusterError(
            f"'{name}' is in no line of the price table ({TABLE.name}), so that its cost is not known; add it, or take "
            f"one of {', '.join(table()['types'])}"
        )
    dollars, cores, memory, architecture = found
    return Type(name, dollars * table()["factors"].get(region, 1.0), cores, memory, architecture)


def spot_prices(ec2: Any, names: Sequence[str]) -> dict[str, float]:
    """Dollars an hour of spot instances now, by type, in the cheapest zone; what AWS does not say is absent."""
    with aws.named("spot prices cannot be asked for"):
        found = ec2.describe_spot_price_history(
            InstanceTypes=list(names),
            ProductDescriptions=["Linux/UNIX"],
            StartTime=datetime.datetime.now(tz=datetime.UTC),
        )["SpotPriceHistory"]
    prices: dict[str, float] = {}
    for one in found:
        if one["InstanceType"] in names and float(one["SpotPrice"]) > 0:
            name = one["InstanceType"]
            prices[name] = min(prices.get(name, float("inf")), float(one["SpotPrice"]))
    return prices


def hourly(name: str, region: str, spot: bool, today: Mapping[str, float] | None = None) -> float:
    """Dollars an hour of a machine of a type, without its volume."""
    kind = type_of(name, region)
    if not spot:
        return kind.dollars
    return (today or {}).get(name, kind.dollars * table()["spot_share"])


def beside(settings: Any) -> float:
    """Dollars an hour of what a machine has beside itself: its volume and its address."""
    address = 0.0 if settings.private else table()["public_address_hour"]
    return settings.volume_gb * table()["volume_gb_month"] / _HOURS_A_MONTH + address


def ordered(names: Sequence[str], region: str, today: Mapping[str, float]) -> list[str]:
    """Types by what a core costs as a spot instance today; those of which AWS says nothing come after, as given."""
    known = sorted((n for n in names if n in today), key=lambda n: today[n] / type_of(n, region).cores)
    return known + [name for name in names if name not in today]
