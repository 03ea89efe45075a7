"""The Kubernetes API server: access, readiness, questions and orders."""
