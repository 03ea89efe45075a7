"""What no stack may do, whatever its file says: plain functions over a resource's type and inputs.

Imports nothing of ours: a rule judges what would reach the cloud, not what somebody meant.
"""
