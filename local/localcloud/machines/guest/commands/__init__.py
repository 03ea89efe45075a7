"""Commands that a machine cannot have for real: simulated, and saying so.

Each is a small script in /opt/machine/sbin (mounted on /usr/local/sbin, first in every PATH) that
runs `python -m localcloud.machines.guest.commands NAME …`.
"""
