"""systemd's units and the services that they describe."""
