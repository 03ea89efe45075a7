"""Recorded behaviours of the real cloud, as data, and what runs them against the local one."""
