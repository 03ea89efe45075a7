"""Snapshots of etcd's disks: taken now, and listed."""
