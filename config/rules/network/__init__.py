"""Rules about the VPC and its ways to the internet."""
