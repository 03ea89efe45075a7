"""The cluster's secrets: made once, kept encrypted, rotated."""
