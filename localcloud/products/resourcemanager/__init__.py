"""Resource Manager: resource groups."""
