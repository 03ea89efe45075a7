"""A simulated kubelet: real API objects and certificates, processes instead of containers.

It reads what kubeadm wrote, joins by TLS bootstrap, keeps Node, lease and pod status, runs static
pods (and the spiderpool-controller) as processes with the flags and files their pods ask for, and
allocates an address to other pods as Spiderpool's agent would. It runs no container.
"""
