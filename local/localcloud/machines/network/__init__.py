"""A VPC's packets: bridges, filters, public addresses and load balancers."""
