"""The Kubernetes API server: access, readiness, requests."""
