"""An emulated Alibaba Cloud OpenAPI on the loopback, with state that outlives `kill -9`.

Runs alone: `python -m localcloud`. The real Terraform provider and the official SDKs talk to it
over HTTPS. May import: nothing of ours outside `localcloud`.
"""
