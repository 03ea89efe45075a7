"""Location: the endpoints of the products."""
