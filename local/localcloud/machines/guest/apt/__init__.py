"""The machine's packages and where they come from."""
