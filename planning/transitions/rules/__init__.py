"""The rules for edits, by what differs between two plans."""
