"""A stand-in for Alibaba's cloud controller on the local cloud; takes our manifest's flags.

The simulated kubelet runs it for the cloud controller's container. It initialises Nodes and creates
the load balancers of Services through the emulated OpenAPI, with the rights of its pod's service
account and of its instance's RAM role. Log and events say that it is a stand-in. It speaks to the
emulator only.

Its steps, their order and the actions that it calls are those of cloud-provider-alibaba-cloud
v2.14.0. Its log names what it leaves out: routes, ALB, PrivateZone, access lists, certificates by
domain and health check settings.
"""
