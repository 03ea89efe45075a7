"""The cluster's secrets: created once, stored encrypted, rotated."""
