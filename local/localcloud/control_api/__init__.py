"""The control API on the unix socket, and the machines' view of the cloud's state."""
