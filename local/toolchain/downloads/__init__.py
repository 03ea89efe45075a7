"""Release files of pinned tools: where they are published, and how they are checked."""
