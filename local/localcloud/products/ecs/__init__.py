"""ECS: security groups, ENIs, instances."""
