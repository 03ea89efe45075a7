"""The error that ends a preparation."""


class PreparationError(Exception):
    """Virtual machines cannot be had here; the message has the reason and the remedy."""
