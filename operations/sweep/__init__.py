"""Lists what a stack left in the cloud, by tag or exact name, and removes it after asking.

`cloud` calls the API by the official SDK; `state` reads what Pulumi has; `leftovers` lists what
belongs to the stack and is not in the state; `removal` deletes it in an order that works.
"""
