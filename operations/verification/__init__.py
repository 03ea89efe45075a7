"""Verdicts on a running cluster: the checks, what each one reads, and its outcome.

Imports nothing of ours but `operations`.
"""
