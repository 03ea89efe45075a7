"""VPC: networks, vSwitches, NAT, EIPs, IPv6."""
