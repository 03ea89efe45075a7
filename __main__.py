"""The program: read the stack, plan the cluster, build it, show it."""

import gc

# All modules live until the end of the run, so no search for cycles is needed while they are
# imported. `search_cycles_seldom` turns the search on again.
gc.disable()

# ruff: noqa: E402 - the imports are what must not be searched
import pulumi

from components.cluster import Cluster, ClusterArgs
from components.registering import (
    begin_registrations,
    drop_debug_messages,
    search_cycles_seldom,
    short_stack_traces,
)
from components.stack import read_stack

search_cycles_seldom()
drop_debug_messages()
inputs = read_stack()
with short_stack_traces():
    cluster = Cluster(inputs.plan.name, ClusterArgs(inputs=inputs))
for key, value in cluster.outputs().items():
    pulumi.export(key, value)
pulumi.run(begin_registrations)
