"""The cloud's state: frozen entities in memory, one committed SQLite transaction a change."""
