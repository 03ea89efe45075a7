"""NLB instances: their addresses, zones, security groups and protection."""
