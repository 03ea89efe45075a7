"""What the vendor publishes of each action: parameters, their types, and which are mandatory."""
