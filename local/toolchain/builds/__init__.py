"""Builds of pinned tools: the Go on this machine, a build's key, and what is left out."""
