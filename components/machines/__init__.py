"""Nodes and their life cycle: ENIs, instances, turns, drains, and addresses that leave."""
