"""Machines of each kind: sets of namespaces, and virtual machines."""
