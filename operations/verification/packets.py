"""Checks with packets: the guide's matrix, from inside the sample apps and from outside."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.facts.nics import PRIMARY_NIC
from config.facts.ranges import CLOUD_SERVICES, METADATA_SERVICE
from operations.verification.checks import Check, Needs, NotRun, PacketPath, Probe, Shell
from operations.verification.cluster_objects import Cluster, Object, Pod
from operations.verification.objects import balancer_addresses, members

CLIENT, SERVER, SERVICE = "test-app-1", "test-app-2", ("default", "test-svc")
_NO_APPS = NotRun(reason="no ready pods of the sample apps; write sampleApps.enabled: true")
_PROTOCOL_PORT = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-protocol-port"

Pairs = Callable[[Cluster], Iterable[tuple[Pod, str, str]]]


def _ping(pairs: Pairs, otherwise: str) -> Callable[[Cluster], Sequence[Probe] | NotRun]:
    """Ping from pods; each pair is a pod, an address and what that address is."""

    def probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
        if not cluster.pods_of(CLIENT):
            return _NO_APPS
        pings = [
            _command(
                pod,
                _path(pod, f"{what} {address}", address),
                f"gets no answer from {what} {address}",
                *argv,
            )
            for pod, address, what in pairs(cluster)
            for argv in [("ping", "-c", "2", "-W", "3", address)]
        ]
        return pings or NotRun(reason=otherwise)

    return probes


def _path(pod: Pod, target: str, *addresses: str) -> PacketPath:
    """What a pod sends; `addresses` are those that packets may have besides the pod's own."""
    return PacketPath(
        source=f"{pod.name} ({pod.node})",
        target=target,
        addresses=frozenset((*pod.addresses, *addresses)),
    )


def _command(
    pod: Pod, path: PacketPath, problem: str, *argv: str, says: str | None = None
) -> Probe:
    sentence = f"{path.source} {problem}"

    def attempt(shell: Shell) -> Sequence[str]:
        done = shell.execute(pod, *argv)
        if done.status != 0:
            why = (done.err.strip() or done.out.strip()).splitlines()[-1:]
            return [": ".join([sentence, *why])]
        if says is not None and says not in done.out.split():
            return [f"{sentence}: it answers {' '.join(done.out.split())[:200] or 'nothing'}"]
        return []

    return Probe(attempt=attempt, path=path)


def _to_own_node(cluster: Cluster) -> Iterable[tuple[Pod, str, str]]:
    nics = _nic_addresses(cluster)
    for pod in cluster.pods_of(CLIENT):
        for nic, addresses in nics.get(pod.node, {}).items():
            for address in _of_its_families(pod, addresses):
                yield pod, address, f"its own node {pod.node} on {nic}"


def _to_other_nodes(cluster: Cluster) -> Iterable[tuple[Pod, str, str]]:
    for pod in cluster.pods_of(CLIENT):
        for node, nics in _nic_addresses(cluster).items():
            for nic, addresses in nics.items() if node != pod.node else ():
                for address in _of_its_families(pod, addresses):
                    yield pod, address, f"node {node} on {nic}"


def _nic_addresses(cluster: Cluster) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Node → NIC → its own addresses; only the first NIC's IPv4 address of a foreign node."""
    first = {node: {PRIMARY_NIC: [ip]} for node, ip in cluster.node_addresses.items()}
    planned = {
        node: {nic: _own_addresses(about) for nic, about in member["interfaces"].items()}
        for node, member in members(cluster).items()
        if node in cluster.nodes
    }
    return {**first, **planned}


def _own_addresses(interface: Object) -> list[str]:
    """The primary address of a NIC, and its IPv6 twin where there is one."""
    primary = str(interface["primary"])
    twin = (interface.get("ipv6") or {}).get(primary)
    return [primary, *([] if twin is None else [str(twin)])]


def _of_its_families(pod: Pod, addresses: Iterable[str]) -> list[str]:
    """The addresses of the families that the pod has."""
    families = {ip_address(own).version for own in pod.addresses}
    return [address for address in addresses if ip_address(address).version in families]


def _between(app: str, *, same_node: bool) -> Pairs:
    def pairs(cluster: Cluster) -> Iterable[tuple[Pod, str, str]]:
        for pod in cluster.pods_of(CLIENT):
            for other in cluster.pods_of(app):
                if other is not pod and (other.node == pod.node) is same_node:
                    for address in _of_its_families(pod, other.addresses):
                        yield pod, address, f"{other.name} on {other.node}"

    return pairs


def _cluster_ip(cluster: Cluster) -> Sequence[Probe] | NotRun:
    service = cluster.services.get(SERVICE)
    pods = [*cluster.pods_of(CLIENT), *cluster.pods_of(SERVER)]
    if service is None or not pods:
        return _NO_APPS
    address = service["spec"]["clusterIP"]
    target = f"test-svc {address}:80"
    # kube-proxy masquerades, so on the way a packet has a backend's address and not the pod's.
    backends = _addresses(cluster.pods_of(SERVER))
    return [
        _command(
            pod,
            _path(pod, target, *backends),
            f"gets no answer from {target}",
            *_http(pod, f"http://{address}/"),
        )
        for pod in pods
    ]


def _addresses(pods: Iterable[Pod]) -> frozenset[str]:
    return frozenset(address for pod in pods for address in pod.addresses)


def _http(pod: Pod, url: str) -> list[str]:
    """Each image has one client of its own: busybox has wget, nginx has curl."""
    if pod.app == CLIENT:
        return ["wget", "-q", "-T", "10", "-O", "-", url]
    return ["curl", "-sSf", "-4", "-m", "10", url]


def _http_by_ipv4(pod: Pod, url: str) -> list[str]:
    """As `_http`. Busybox's wget takes IPv6 where it can, so it is given an IPv4 address."""
    parts = urlsplit(url)
    has_ipv6 = any(":" in address for address in pod.addresses)
    if pod.app != CLIENT or not has_ipv6 or parts.scheme != "http":
        return _http(pod, url)
    port = "" if parts.port is None else f":{parts.port}"
    return ["sh", "-c", _WGET_BY_IPV4, "sh", f"{parts.hostname}", port, parts.path or "/"]


_WGET_BY_IPV4 = """
address=$(nslookup -type=a "$1" | awk '/^Address/ { last = $NF } END { print last }')
exec wget -q -T 10 -O - --header "Host: $1" "http://$address$2$3"
"""


def _dns(cluster: Cluster) -> Sequence[Probe] | NotRun:
    service = cluster.services.get(SERVICE)
    if service is None or not cluster.pods_of(CLIENT):
        return _NO_APPS
    name, address = "test-svc.default.svc.cluster.local", service["spec"]["clusterIP"]
    return [
        _command(pod, _path(pod, name), f"asks for {name}", "nslookup", name, says=address)
        for pod in cluster.pods_of(CLIENT)
    ]


def _egress(url: str) -> Callable[[Cluster], Sequence[Probe] | NotRun]:
    def probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
        nat = cluster.outputs.get("natAddress")
        pods = [*cluster.pods_of(CLIENT), *cluster.pods_of(SERVER)]
        if not nat:
            return NotRun(reason="the stack has no NAT gateway")
        if not pods:
            return _NO_APPS
        return [
            _command(
                pod,
                _path(pod, f"{url} as {nat}"),
                f"is not seen as {nat} by {url}",
                *_http_by_ipv4(pod, url),
                says=str(nat),
            )
            for pod in pods
        ]

    return probes


def _egress_ipv6(url: str) -> Callable[[Cluster], Sequence[Probe] | NotRun]:
    def probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
        requests = [
            _command(
                pod,
                _path(pod, f"{url} as {own}"),
                f"is not seen as {own} by {url}",
                "curl",
                "-sSf",
                "-6",
                "-m",
                "10",
                url,
                says=own,
            )
            for pod in cluster.pods_of(SERVER)
            for own in pod.addresses
            if ":" in own
        ]
        return requests or NotRun(reason="no pod of test-app-2 has an IPv6 address")

    return probes


def _metadata(cluster: Cluster) -> Sequence[Probe] | NotRun:
    """Any answer by HTTP counts as reached: without a token the service refuses with 403."""
    if cluster.outputs.get("metadataForPods") != "blocked":
        return NotRun(reason="the stack does not keep pods from the metadata service")
    url = f"http://{METADATA_SERVICE}/latest/meta-data/"
    attempts = [
        (pod, argv, how)
        for app, commands in _METADATA_COMMANDS.items()
        for pod in cluster.pods_of(app)
        for how, argv in commands.items()
    ]
    return [_unanswered(pod, how, *argv, url) for pod, argv, how in attempts] or _NO_APPS


_METADATA_COMMANDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    CLIENT: {"": ("wget", "-q", "-T", "3", "-O", "/dev/null")},
    SERVER: {
        "": ("curl", "-sv", "-o", "/dev/null", "-m", "3"),
        # A socket that is bound to the NIC bypasses the route to the host.
        " by its NIC": ("curl", "-sv", "-o", "/dev/null", "-m", "3", "--interface", "eth0"),
    },
}


def _unanswered(pod: Pod, how: str, *argv: str) -> Probe:
    path = _path(pod, f"{METADATA_SERVICE}{how}", str(METADATA_SERVICE))

    def attempt(shell: Shell) -> Sequence[str]:
        done = shell.execute(pod, *argv)
        if done.status != 0 and "HTTP/" not in done.err:
            return []
        return [f"{path.source} gets an answer from {path.target}"]

    return Probe(attempt=attempt, path=path)


def _balanced(cluster: Cluster) -> list[tuple[str, Object, str]]:
    """Services of the stack that have an address, each with its address."""
    shown = cluster.outputs.get("services") or {}
    return [
        (name, service, addresses[0])
        for (_, name), service in cluster.services.items()
        if name in shown and (addresses := balancer_addresses(service))
    ]


def _layer7(service: Object) -> Mapping[int, str]:
    """The ports of listeners on layer 7, each with its protocol: http or https."""
    ports = (service["metadata"].get("annotations") or {}).get(_PROTOCOL_PORT, "")
    pairs = (entry.partition(":") for entry in ports.split(",") if entry)
    return {int(port): protocol for protocol, _, port in pairs}


def _answers_http(service: Object, port: Object) -> bool:
    """Whether a request in plain text gets an answer: test-app-2 does, and any http listener."""
    protocol = _layer7(service).get(port["port"])
    if protocol is not None:
        return protocol == "http"
    return bool(service["spec"].get("selector") == {"app": SERVER})


def _from_outside(*, http: bool) -> Callable[[Cluster], Sequence[Probe] | NotRun]:
    """Connections to load balancers; only to their http listeners, or to all TCP ports.

    A load balancer may take a connection before it has a backend for it. So a request is sent
    wherever the answer to one is known.
    """

    def probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
        connections = [
            _outside(
                _from_here(name, address, port, cluster),
                address,
                port["port"],
                asks=_answers_http(service, port),
            )
            for name, service, address in _balanced(cluster)
            for port in service["spec"]["ports"]
            if port.get("protocol", "TCP") == "TCP"
            and (not http or _layer7(service).get(port["port"]) == "http")
        ]
        kind = "HTTP" if http else "TCP"
        return connections or NotRun(
            reason=f"no LoadBalancer service of the stack has a {kind} port"
        )

    return probes


def _from_here(name: str, address: str, port: Object, cluster: Cluster) -> PacketPath:
    """From this machine to a port of a Service, and from its load balancer to the backends."""
    return PacketPath(
        source="outside",
        target=f"service {name} at {address}:{port['port']}",
        addresses=_addresses(cluster.pods_of(SERVER)) | {address},
        ports=frozenset({port["nodePort"]} if "nodePort" in port else ()),
    )


def _outside(path: PacketPath, address: str, port: int, *, asks: bool) -> Probe:
    """`asks`: an HTTP request must get an answer; otherwise a connection must last a moment."""

    def attempt(shell: Shell) -> Sequence[str]:
        why = shell.get(address, port, "/") if asks else shell.connect(address, port)
        return [] if why is None else [f"{path.target}: {why}"]

    return Probe(attempt=attempt, path=path)


def _client_address(cluster: Cluster) -> Sequence[Probe] | NotRun:
    requests = [
        _logged(_from_here(name, address, port, cluster), address, port["port"], cluster)
        for name, service, address in _balanced(cluster)
        for port in service["spec"]["ports"]
        if service["spec"].get("externalTrafficPolicy") == "Local"
        and service["spec"].get("selector") == {"app": SERVER}
        and port.get("protocol", "TCP") == "TCP"
        and port["port"] not in _layer7(service)
    ]
    return requests or NotRun(
        reason="no layer 4 service of the stack with externalTrafficPolicy: Local is before "
        "test-app-2"
    )


def _logged(path: PacketPath, address: str, port: int, cluster: Cluster) -> Probe:
    def attempt(shell: Shell) -> Sequence[str]:
        mark = f"/verify-{secrets.token_hex(8)}"
        shell.get(address, port, mark)
        lines = [
            line
            for pod in cluster.pods_of(SERVER)
            for line in shell.logs(pod).splitlines()
            if mark in line
        ]
        if not lines:
            return [f"{path.target}: the request is in no pod's log"]
        return [
            f"{path.target}: the pod saw {seen}, an address of the cluster"
            for line in lines
            for seen in line.split()[:1]
            if _is_inside(seen, cluster)
        ]

    return Probe(attempt=attempt, path=path)


def _is_inside(seen: str, cluster: Cluster) -> bool:
    if seen in cluster.node_addresses.values():
        return True
    try:
        return ip_address(seen) in CLOUD_SERVICES
    except ValueError:
        return True


def packet_checks(egress_url: str) -> tuple[Check, ...]:
    """The checks; `egress_url` answers with the client's address."""
    exec_by_hand = "kubectl exec -it POD -- sh"
    group = (
        "the security group does not let its members in, per-NIC source routing is missing, or "
        "pods send from an address or a MAC that their ENI does not have (macvlan)"
    )
    return (
        _check(
            "pod-to-own-node",
            "each pod of test-app-1 pings its own node on every NIC",
            "the coordinator's veth route is missing: SpiderCoordinator is not Synced",
            "kubectl get spidercoordinator default -o yaml; kubectl exec POD -- ip route",
            _ping(_to_own_node, "no pod has a node with an address"),
        ),
        _check(
            "pod-to-other-nodes",
            "each pod of test-app-1 pings every other node on every NIC",
            group,
            exec_by_hand,
            _ping(_to_other_nodes, "the cluster has one node"),
        ),
        _check(
            "pod-to-pod-same-network",
            "pods of test-app-1 ping each other across nodes",
            group,
            exec_by_hand,
            _ping(_between(CLIENT, same_node=False), "test-app-1 runs on one node"),
        ),
        _check(
            "pod-to-pod-other-network",
            "each pod of test-app-1 pings test-app-2 on its own node",
            "traffic between NICs of one node leaves by the VPC's router; " + group,
            exec_by_hand,
            _ping(_between(SERVER, same_node=True), "no node runs both apps"),
        ),
        _check(
            "pod-to-pod-other-network-across-nodes",
            "each pod of test-app-1 pings test-app-2 on every other node",
            group,
            exec_by_hand,
            _ping(_between(SERVER, same_node=False), "test-app-2 runs on no other node"),
        ),
        _check(
            "cluster-ip",
            "both apps ask test-svc by its ClusterIP",
            "kube-proxy does not masquerade (iptables.masqueradeAll), or does not run",
            "kubectl -n kube-system logs -l k8s-app=kube-proxy",
            _cluster_ip,
        ),
        _check(
            "dns",
            "pods of test-app-1 resolve test-svc",
            "CoreDNS has no ready pod: its pods need addresses of eth0's pools",
            "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide",
            _dns,
        ),
        _check(
            "egress",
            f"both apps are seen as the NAT address by {egress_url}",
            "no SNAT entry for the pod's vSwitch, or a second EIP on the way",
            f"{exec_by_hand}; the NAT gateway's SNAT entries",
            _egress(egress_url),
        ),
        _check(
            "egress-ipv6",
            f"test-app-2 is seen as its own IPv6 address by {egress_url}",
            "no public bandwidth for the address (network.ipv6.egress)",
            f"{exec_by_hand}; the IPv6 gateway's bandwidth list",
            _egress_ipv6(egress_url),
        ),
        _check(
            "metadata",
            f"neither app gets an answer from the metadata service {METADATA_SERVICE}",
            "the node has no rules for it; the check metadata-rules names it",
            f"{exec_by_hand}; on the machine, nft list ruleset",
            _metadata,
        ),
        _check(
            "load-balancer-tcp",
            "every TCP port of every LoadBalancer service takes connections from here, and "
            "test-app-2 answers a request",
            "no healthy backend: no ready pod, a node that load balancers leave out, or a pod "
            "without the coordinator's marks (its table mangle)",
            "kubectl describe service SERVICE; kubectl get endpointslices",
            _from_outside(http=False),
        ),
        _check(
            "load-balancer-http",
            "every http port of every LoadBalancer service answers from here",
            "the listener has no certificate or no healthy backend",
            "curl -v http://ADDRESS/; kubectl describe service SERVICE",
            _from_outside(http=True),
        ),
        _check(
            "client-address-kept",
            "test-app-2 logs the client's address behind services with policy Local",
            "the service's policy is not Local in the cluster, or its listener is on layer 7",
            "kubectl logs -l app=test-app-2 --tail=20",
            _client_address,
        ),
    )


def _check(
    name: str,
    how: str,
    cause: str,
    look: str,
    probes: Callable[[Cluster], Sequence[Probe] | NotRun],
) -> Check:
    return Check(name=name, needs=Needs.PACKETS, how=how, cause=cause, look=look, probes=probes)
