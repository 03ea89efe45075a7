"""When a cluster's certificates end, and how a control plane gets new ones."""
