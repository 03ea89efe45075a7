"""Verdicts on a running cluster: what each check asks, from what it knows, and what it found.

Imports nothing of ours but `operations`.
"""
