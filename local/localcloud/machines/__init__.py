"""The machines that the emulated ECS instances boot into, and the VPC between them.

A machine is a set of Linux namespaces with a disk of its own. It boots from its user-data as
cloud-init would, and runs the real kubeadm, etcd and Kubernetes binaries. Packages, units,
netplan and the kubelet are simulated; their names show it.

May import: of this repository only `localcloud`. It learns about instances only from the control
socket of the emulator.
"""
