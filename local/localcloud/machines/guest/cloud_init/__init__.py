"""cloud-init: user-data as it reads it, and its stages."""
