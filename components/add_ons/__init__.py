"""What lives inside Kubernetes: Spiderpool, cloud controller, services, sample apps."""
