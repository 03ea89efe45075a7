"""A stand-in for the provider plugin of pulumi-kubernetes, for the local stack only.

The official plugin cannot be built from Go modules; where it is installed it is used instead.
This package speaks the engine's provider protocol, drives the API server by server-side apply
and Helm releases by the ``helm`` command, and keeps state in the official plugin's form, so that
the two can take over from one another. It talks only to API servers on loopback.

What it does and what it leaves out: docs/kubernetes-provider.md.
It imports no other package of this project.
"""
