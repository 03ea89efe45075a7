"""The error that ends a preparation."""


class PreparationError(Exception):
    """Virtual machines are not available here; the message has the reason and the remedy."""
