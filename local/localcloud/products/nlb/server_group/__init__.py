"""Server groups: their servers, and the ENIs of these."""
