"""Location: where the products answer."""
