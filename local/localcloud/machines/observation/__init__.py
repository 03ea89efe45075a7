"""What a guarded fabric is and carries, for a report: its objects, and frames on its links."""
