"""Pure planning: from a `ClusterConfig` to every address, name, pool, document and chart value.

May import `config`. Never pulumi, no I/O, no clock, no randomness: the same configuration gives
the same plan, byte for byte.
"""
