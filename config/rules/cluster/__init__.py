"""Rules about Kubernetes, its kubelets, and what runs in the cluster."""
