"""Changes machines one at a time: drains a node before its change and waits for it afterwards.

Why it is done this way: docs/decisions/machine-life-cycle.md. In the order of one run:

1. `rollout` is the only module that the rest of the program imports. It registers the resources
   whose hooks the engine calls, and resolves the Outputs that other resources wait for.
2. `leaving_nodes` takes the nodes out that the edit removes.
3. `turns` decides the order of the others, from `progress`: what the run knows so far.
4. `machine_changes` has the hooks: they wait for `other_nodes`, change settings, drain the node,
   and take its addresses out of its pools (`moved_addresses`). `only_control_plane` refuses edits
   that a cluster with one control plane cannot take.
5. `returning_nodes` waits until a changed node serves, and the next turn begins.

`kept_values` are numbers and digests of the first run that the state keeps. `cluster_access` opens
the API of the cluster.
"""
