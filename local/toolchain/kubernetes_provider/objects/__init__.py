"""Kubernetes objects: what differs, who owns a field, and when an object is ready."""
