"""`restore`: a cluster that has lost its control planes is made again of a snapshot of a disk."""
