"""The command line: each command's options and output. The other folders do the work."""
