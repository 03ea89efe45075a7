"""Running pulumi and kubectl: places, environment, stack files, output."""
