"""The rules of a judgement, by what differs between two plans."""
