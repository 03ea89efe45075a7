"""The API server: how it is reached, and which kinds it serves."""
