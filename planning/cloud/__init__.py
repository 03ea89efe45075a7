"""What the cloud and its controller get: security rules, services, quotas, manifests."""
