"""Rules that hold for every stack file: plain functions over a resource's type and inputs.

Imports no module of this project: a rule judges what is sent to the cloud.
"""
