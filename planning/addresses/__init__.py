"""Addresses: blocks, layout, claims, capacity."""
