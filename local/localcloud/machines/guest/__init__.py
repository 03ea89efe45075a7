"""What runs inside a machine: its first process, cloud-init's part, units, the kubelet."""
