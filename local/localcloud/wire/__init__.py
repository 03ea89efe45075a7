"""What goes over the wire: signatures, flattened parameters, errors. Knows no product."""
