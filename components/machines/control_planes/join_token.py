"""The bootstrap token's Secret, which exists only while machines are expected.

Every machine keeps the same token in its user-data for years. The Secret decides whether the token
is valid (docs/decisions/join-token.md): the API server answers 401 without the Secret and after its
expiry. A run writes the Secret before it creates a machine, and deletes it once every node has its
Node. After a run that dies, the Secret expires by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Final

from components.api.cluster_api import ClusterApi, ClusterError
from components.waiting import wait_until
from planning.nodes.kubeadm import TOKEN_LASTS

NAMESPACE: Final = "kube-system"
_ASK_EVERY: Final = 2.0
_RENEWED_BELOW: Final = TOKEN_LASTS / 2
"""A machine waits for half an hour at most (`timeouts.discovery` of its join)."""

OpenApi = Callable[[], AbstractAsyncContextManager[ClusterApi]]


def secret_name(token: str) -> str:
    """The name under which the API server and the token cleaner look the Secret up.

    https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
    """
    return f"bootstrap-token-{token.partition('.')[0]}"


def token_secret(token: str, *, ends: datetime) -> Mapping[str, Any]:
    """The Secret as kubeadm writes it (cmd/kubeadm/app/apis/bootstraptoken/v1/utils.go).

    `signing` lets the bootstrap signer sign `cluster-info` with it, which a joining machine reads
    first; the group may ask for a node's certificate.
    """
    identifier, _, secret = token.partition(".")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(token), "namespace": NAMESPACE},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": identifier,
            "token-secret": secret,
            "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        },
    }


async def keep_token(api: ClusterApi, token: str) -> None:
    """Keep the token valid for at least half an hour and at most an hour.

    The API server's clock counts, because the API server checks the expiry. Raises `ClusterError`.
    """
    secret, now = await api.read_secret(NAMESPACE, secret_name(token))
    ends = None if secret is None else _end(secret)
    latest = now + TOKEN_LASTS
    if ends is None or not now + _RENEWED_BELOW <= ends <= latest:
        await api.write_secret(token_secret(token, ends=latest))


async def revoke_token(api: ClusterApi, token: str) -> bool:
    """Delete the Secret, even one without an expiry; False if there is none.

    Raises `ClusterError`.
    """
    return await api.delete_secret(NAMESPACE, secret_name(token))


async def until_joined(  # noqa: PLR0913 - times are there for tests
    open_api: OpenApi,
    token: str,
    *,
    machines: Mapping[str, str],
    expected: frozenset[str],
    within: float,
    report: Callable[[str], object],
    ask_every: float = _ASK_EVERY,
) -> None:
    """Wait for the expected nodes, and revoke the token once every node has its Node.

    Args:
        open_api: opens a client of the cluster.
        token: the bootstrap token.
        machines: every node of the plan, and its provider id.
        expected: nodes whose machines this run has created. The call does not wait for other nodes
            without a Node, or with one that is not Ready. For these the token stays valid until it
            expires, so that they can join.
        within: seconds to wait for the expected ones.
        report: gets one sentence when the token stays.
        ask_every: seconds between two questions.

    Raises:
        ClusterError: the API server does not answer, or a node has not joined in that time.
    """
    absent: list[str] = []
    silent: list[str] = []

    async def missing() -> str | None:
        try:
            async with open_api() as api:
                nodes = await api.nodes()
                absent[:] = [
                    name
                    for name, provider_id in machines.items()
                    if name not in nodes or nodes[name].provider_id != provider_id
                ]
                # Its machine may be about to join again, with an empty disk.
                silent[:] = [
                    name
                    for name in machines.keys() - expected - set(absent)
                    if not nodes[name].ready
                ]
                await (keep_token(api, token) if absent or silent else revoke_token(api, token))
        except ClusterError as error:
            return f"the API server: {error}"
        waited = sorted(expected.intersection(absent))
        return f"{', '.join(waited)} has no Node yet" if waited else None

    await wait_until(
        missing,
        within=within,
        ask_every=ask_every,
        give_up=lambda waited, reason: ClusterError(
            f"After {waited:.0f} s {reason}. The bootstrap token stays valid for at most an hour, "
            "and the machine's console output shows how far it is. Then run `pulumi up` again: it "
            "revokes the token once every node has joined."
        ),
    )
    if absent or silent:
        names = ", ".join(sorted([*absent, *silent]))
        report(
            f"{names}: this machine has no Node, or its Node is not "
            "Ready. The bootstrap token stays valid for at most an hour, so that the machine can "
            "join. A run that meets every Node, and finds it Ready, revokes the token."
        )


def _end(secret: Mapping[str, Any]) -> datetime | None:
    """When a Secret expires, in the API server's form; None if it never expires."""
    text = secret.get("expiration")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
