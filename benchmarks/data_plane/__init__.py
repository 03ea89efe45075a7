"""What a pod's network costs, against that of its node: `python -m benchmarks.data_plane`."""
