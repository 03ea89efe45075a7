"""Programs of others that call the API, and what they expect of it.

`clients.yaml` has one row for each program that ran against the local cloud, or whose source was
read; `codes.yaml` the error codes on which they act.
"""
