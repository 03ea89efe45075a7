"""A stand-in for Alibaba's cloud controller on the local cloud, by our own manifest's flags.

The simulated kubelet runs it for the cloud controller's container. It initialises Nodes and creates
the load balancers of Services through the emulated OpenAPI, with the rights of its pod's service
account and of its instance's RAM role. Log and events say that it is a stand-in. It speaks to the
emulator only.

What it does, in which order and by which actions is that of cloud-provider-alibaba-cloud v2.14.0;
what it leaves out (routes, ALB, PrivateZone, access lists, certificates by domain, health check
settings) it names in its log.
"""
