"""Instances: their life, their attributes, and what they may be."""
