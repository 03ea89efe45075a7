"""VPC, vSwitches, gateways, the API's endpoint, and what a stack adopts."""
