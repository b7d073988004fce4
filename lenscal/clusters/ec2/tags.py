"""Tags by which everything that was made for a cluster is found again."""

from __future__ import annotations

from collections.abc import Mapping

CLUSTER, RUN, OWNER, EXPIRY, ROLE = "lenscal:cluster", "lenscal:run", "lenscal:owner", "lenscal:expiry", "lenscal:role"
"""Id of the cluster, name of the run, who answers for it, when it ends at the latest (UTC), scheduler or worker."""
BUNDLE = "lenscal:bundle"
"""Where the things of the cluster lie in the bucket."""


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": str(value)} for key, value in tags.items()]


def named(items: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags as EC2 gives them, by name."""
    return {item["Key"]: item["Value"] for item in items or []}
