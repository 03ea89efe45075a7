"""Commands for people: `python -m operations …` (typer and rich).

May import `config` and `planning`. Uses the local cloud, the toolchain and Pulumi only as
commands, never as libraries. Exit codes are defined in `operations.failure`.
"""
