"""Nodes and their life cycle: ENIs, instances, turns, drains, addresses that leave."""
