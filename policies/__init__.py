"""Rules that hold for every stack file: plain functions over a resource's type and inputs.

Imports no module of this project: a rule checks what is sent to the cloud.
"""
