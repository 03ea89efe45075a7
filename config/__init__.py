"""A stack's configuration: pydantic models, profiles, loading, and the error report.

Imports nothing of ours. Knows neither Pulumi nor the cloud: a stack's configuration comes in as
plain data and leaves as one frozen `ClusterConfig`, or as one report with every problem in it.
"""
