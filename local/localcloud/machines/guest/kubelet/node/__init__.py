"""The Node object, and what the kubelet reports in it."""
