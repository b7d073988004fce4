"""Where workers are: each cluster is a context manager that gives a Dask client."""

from lenscal.clusters.cluster import Cluster
from lenscal.clusters.local import Local
from lenscal.clusters.running import Running

__all__ = ["Cluster", "Local", "Running", "cluster_of"]


def cluster_of(settings: object) -> Cluster:
    """The cluster that the section `cluster` of a run file names."""
    if settings.address:
        return Running(settings.address)
    return Local(settings.workers, settings.threads, settings.memory_limit, settings.dashboard)
