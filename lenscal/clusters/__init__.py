"""Where workers are: each cluster is a context manager that gives a Dask client."""

from lenscal.clusters.cluster import Cluster
from lenscal.clusters.local import Local
from lenscal.clusters.running import Running

__all__ = ["Cluster", "Local", "Running", "cluster_of"]


def cluster_of(settings: object, stores: object = "", run: str = "run") -> Cluster:
    """The cluster that the section `cluster` of a run file names.

    Parameters
    ----------
    settings : section `cluster`
    stores : place
        Of the run: machines that are started see no folder of this one.
    run : str
        Name of the run.
    """
    if settings.address:
        return Running(settings.address)
    if settings.ec2:
        from lenscal.clusters.ec2 import Ec2

        limit = settings.memory_limit if "memory_limit" in settings.model_fields_set else "auto"
        return Ec2(settings.ec2, str(stores), run, limit, settings.dashboard, settings.budget_dollars)
    return Local(settings.workers, settings.threads, settings.memory_limit, settings.dashboard)
