"""Pulumi components, one to a file: the plan made into resources, one to one.

May import `planning` and `config`. Every value that can be known before the cloud answers comes
from the plan; Outputs carry ids and addresses and never decide how many resources there are.
"""
