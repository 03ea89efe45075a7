"""Security rules, services, quotas and manifests for the cloud and its controller."""
