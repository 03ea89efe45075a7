"""CLB, called SLB by its API."""
