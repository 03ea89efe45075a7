"""Tables of facts with their sources: regions, images, instance types, kubelet fields, limits."""
