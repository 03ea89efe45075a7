"""The wire format: signatures, flattened parameters, errors. It depends on no product."""
