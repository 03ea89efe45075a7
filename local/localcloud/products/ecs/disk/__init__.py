"""Disks, their snapshots, and the policies that take them."""
