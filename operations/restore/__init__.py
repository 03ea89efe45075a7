"""`restore`: rebuilds a cluster that has lost its control planes from a snapshot of a disk."""
