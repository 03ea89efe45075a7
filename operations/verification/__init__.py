"""Verdicts on a running cluster: the checks, what each one reads, and its outcome.

Imports `operations`, and the names in `planning.names`.
"""
