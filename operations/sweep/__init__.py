"""What a stack left in the cloud: found by tag or by exact name, shown, removed after asking.

`cloud` speaks to the API by the official SDK; `state` says what Pulumi knows; `leftovers` finds
what is ours and not in the state; `removal` deletes it in an order that works.
"""
