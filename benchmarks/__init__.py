"""What this program costs in time and memory; run by hand, never as a timed test."""
