"""What a VPC offers its machines: addresses, names, metadata and packages."""
