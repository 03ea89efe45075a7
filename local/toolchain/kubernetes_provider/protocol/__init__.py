"""The engine's side: its requests, the answers to them, and the values in both."""
