"""The fabric of a local cloud in a report: its objects, and what its links saw of a failure."""
