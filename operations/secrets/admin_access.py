"""`kubeconfig`: builds the administrator's kubeconfig from the secrets and the state alone.

A run outputs the kubeconfig only once the API server has answered. This command works without a
successful run, even if no machine boots: `secrets init` creates the certificate, and the address
exists before any machine does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from config.facts.resource_types import EIP, LOAD_BALANCER
from operations.engine.cluster_access import stack_of
from operations.engine.places import PROJECT, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import ExitCode, OperationError
from operations.secrets.command import store_of
from operations.secrets.store import read_secrets
from operations.writing import write_file
from planning.model import ClusterPlan
from planning.names import api_endpoint_name
from planning.nodes.endpoint import balanced, private_address
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.secrets import ClusterSecrets

KEY: Final = f"{PROJECT}:kubeconfig"
"""Configuration key of the encrypted kubeconfig of a stack in `existing` mode."""

_EIP: Final = EIP, "ipAddress"
_BALANCER: Final = LOAD_BALANCER, "address"
_READ_WITHIN: Final = 120.0
_PRIVATE: Final = 0o600


def admin_kubeconfig(
    name: str, places: Places, *, config_file: Path | None = None, secrets_file: Path | None = None
) -> str:
    """Return the text of the administrator's kubeconfig; a secret.

    Args:
        name: the stack.
        places: of the local cloud.
        config_file: a stack file instead of `stacks/Pulumi.<name>.yaml`.
        secrets_file: where the local profile's secrets are, instead of the place in the file.

    Raises:
        OperationError: there are no secrets, or the API server has no address yet.
    """
    stack_file = Stack.read(config_file or path_of_stack(name))
    plan = stack_file.plan()
    stack = stack_of(name, places, config_file)
    if plan.kubernetes.mode == "existing":
        return _kubeconfig_of_others(name, stack_file, stack.runner)
    return own_kubeconfig(plan, read_secrets(store_of(name, stack_file, secrets_file)), stack)


def own_kubeconfig(plan: ClusterPlan, secrets: ClusterSecrets, stack: PulumiStack) -> str:
    """Return the administrator's kubeconfig of a stack in `kubeadm` mode; a secret.

    Raises:
        OperationError: the API server has no address yet.
    """
    return kubeconfig(plan, secrets=secrets, server_address=_address(plan, stack))


def token_secret(name: str, *, config_file: Path | None = None) -> str | None:
    """Return the name of the Secret of the stack's bootstrap token, which is not secret.

    None in `existing` mode, whose machines join without this program.

    Raises:
        OperationError: there are no secrets.
    """
    stack_file = Stack.read(config_file or path_of_stack(name))
    if stack_file.plan().kubernetes.mode == "existing":
        return None
    secrets = read_secrets(store_of(name, stack_file))
    return f"bootstrap-token-{secrets.bootstrap_token.partition('.')[0]}"


def write_kubeconfig(text: str, path: Path) -> None:
    """Write the file so that only its user can read it.

    Raises:
        OperationError: the path is a folder, or cannot be written.
    """
    try:
        write_file(path, text, mode=_PRIVATE)
    except OSError as error:
        raise OperationError(
            f"{path} cannot be written ({error.strerror}). Name a file in a folder that you may "
            "write to.",
            code=ExitCode.UNPREPARED,
        ) from None


def server_address(plan: ClusterPlan, deployment: Mapping[str, object] | None) -> str | None:
    """Return where the API server is reached from outside, as the program computes it.

    The public address if the endpoint is public, else the load balancer's, else the only control
    plane's own. None while the state has no such resource.

    Args:
        plan: of a stack in `kubeadm` mode.
        deployment: the state, as `pulumi stack export` prints it.
    """
    if not plan.public_endpoint and not balanced(plan):
        return private_address(plan.control_planes[0])
    type_, output = _EIP if plan.public_endpoint else _BALANCER
    suffix = f"::{api_endpoint_name(plan.name)}"
    resources = (deployment or {}).get("resources")
    for resource in resources if isinstance(resources, list) else ():
        outputs = resource.get("outputs") or {}
        is_api = str(resource.get("urn", "")).endswith(suffix)
        if resource.get("type") == type_ and is_api and outputs.get(output):
            return str(outputs[output])
    return None


def _address(plan: ClusterPlan, stack: PulumiStack) -> str:
    # Without an address in the state, a kubeconfig would lead nowhere.
    address = server_address(plan, stack.deployment())
    if address is None:
        what = "EIP" if plan.public_endpoint else "load balancer"
        raise OperationError(
            f"The API server of stack {stack.name} has no address yet: the state has no {what} "
            f"{api_endpoint_name(plan.name)}. Run `pulumi up --stack {stack.name}`; a run "
            "creates the address early, so you get it even if the run fails later.",
            code=ExitCode.REFUSED,
        )
    return address


def _kubeconfig_of_others(name: str, stack_file: Stack, runner: Runner) -> str:
    if stack_file.file.own.get("kubeconfig") is None:
        raise OperationError(
            f"Stack {name} uses a cluster that somebody else built, and its file has no "
            f"kubeconfig. Take it from that cluster, and keep it with `pulumi config set --secret "
            f"{KEY}`.",
            code=ExitCode.REFUSED,
        )
    argv = ["pulumi", "config", "get", KEY, "--stack", name, "--non-interactive"]
    done = runner.run(
        [*argv, "--config-file", str(stack_file.path)], deadline=_READ_WITHIN, quiet=True
    )
    if done.status != 0:
        raise OperationError(
            f"Pulumi could not decrypt the kubeconfig of stack {name}: "
            f"{done.err.strip().removeprefix('error: ')}. Log in to its backend, set "
            "PULUMI_CONFIG_PASSPHRASE or the key's credentials, and try again.",
            code=ExitCode.REFUSED,
        )
    return done.out.rstrip("\n") + "\n"
