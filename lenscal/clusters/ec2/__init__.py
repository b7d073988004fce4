"""Workers on machines of Amazon EC2 that are started for a run and end with it, however it ends."""

from lenscal.clusters.ec2.aws import ClusterError
from lenscal.clusters.ec2.cluster import Ec2

__all__ = ["ClusterError", "Ec2"]
