"""`plan` and `report`: tables of a plan and of a cluster."""
