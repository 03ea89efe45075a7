"""`local up` and `local down`: the embedded local cloud."""
