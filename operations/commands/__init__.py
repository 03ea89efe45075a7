"""The command line: what each command takes, and how it prints. The work is in the other rooms."""
