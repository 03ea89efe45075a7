"""Pods and their containers: documents, volumes, processes, probes and status."""
