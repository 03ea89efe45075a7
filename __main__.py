"""The program: read the stack, plan the cluster, build it, show it."""

import pulumi

from components.cluster import Cluster, ClusterArgs
from components.stack import read_stack

inputs = read_stack()
cluster = Cluster(inputs.plan.name, ClusterArgs(inputs=inputs))
for key, value in cluster.outputs().items():
    pulumi.export(key, value)
