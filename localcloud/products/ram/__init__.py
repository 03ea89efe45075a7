"""RAM: users, roles, policies."""
