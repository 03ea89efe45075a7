"""Images of containers: made from programs and Debian's packages, and served by a registry."""
