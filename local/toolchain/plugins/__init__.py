"""How the Python plugins run as processes, and where the engine looks for plugins."""
