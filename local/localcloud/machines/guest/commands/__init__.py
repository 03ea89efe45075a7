"""Simulations of the commands that a machine cannot run for real.

Each is a small script in /opt/machine/sbin (mounted on /usr/local/sbin, first in every PATH) that
runs `python -m localcloud.machines.guest.commands NAME …`.
"""
