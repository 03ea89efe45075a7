"""What a run of the engine spent its time on, from the engine's own event log."""
