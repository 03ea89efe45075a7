"""STS: who am I, temporary credentials."""
