"""Helm releases, by the `helm` command."""
