"""Pulumi components, one in each file, which turn the plan into resources.

May import `planning` and `config`. Every value that is known before the cloud answers comes from
the plan; Outputs carry ids and addresses and never decide how many resources there are.
"""
