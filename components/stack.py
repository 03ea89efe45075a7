"""What the program reads from its stack: the configuration as a plan, and the secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pulumi
from pulumi.runtime.config import get_config_secret_keys_env, is_config_secret

from config.adapted import notices
from config.load import effective_document
from config.model import Profile
from config.report import ConfigError
from config.stackfile import NAMESPACE, SECRET_KEYS
from planning.model import ClusterPlan
from planning.nodes.secrets import ClusterSecrets, SecretsError, parse_secrets
from planning.read import plan_from

_ROOT = Path(__file__).parent.parent
"""The project's folder; a relative `secretsFile` is relative to it."""


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An AccessKey pair for the cloud controller."""

    id: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StackInputs:
    """The program's inputs from its stack. Secrets are secret Outputs."""

    plan: ClusterPlan
    secrets: pulumi.Output[ClusterSecrets]
    """Unknown in a preview without secrets; an update requires them."""
    kubeconfig: pulumi.Output[str] | None
    """Of the cluster of `kubernetes.mode: existing`; None until the stack has one."""
    access_key: pulumi.Output[AccessKey] | None
    """For `cloudController.credentials: access-key`."""


def read_stack() -> StackInputs:
    """Read the current stack's configuration.

    Raises `pulumi.RunError`, which Pulumi prints without a traceback, with every problem in it.
    """
    config = pulumi.Config(NAMESPACE)
    _refuse_misplaced_secrets(config)
    document = config.get_object("cluster")
    if not isinstance(document, Mapping) or not document:
        raise pulumi.RunError(
            f"{NAMESPACE}:cluster is missing from this stack's file, or is not an object. It "
            "describes the cluster; start from stacks/Pulumi.dev.yaml, or from docs/examples."
        )
    try:
        plan = plan_from(document)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from error
    for notice in notices(document, effective_document(document)):
        pulumi.log.info(notice)
    kubeconfig = _kubeconfig(config, plan)
    return StackInputs(
        plan=plan,
        secrets=_secrets(config, plan, reaches_cluster=kubeconfig is not None),
        kubeconfig=kubeconfig,
        access_key=_access_key(config, plan),
    )


def _refuse_misplaced_secrets(config: pulumi.Config) -> None:
    """Refuse a secret in plain text, and an encrypted value that would be stored in plain text.

    Pulumi decrypts a value inside the `cluster` object before the program sees it, and reports only
    that the key contains a secret. No message shows a value.
    """
    for name in SECRET_KEYS:
        if config.get(name) is not None and not _is_secret(name):
            raise pulumi.RunError(
                f"{NAMESPACE}:{name} is a secret, and this stack's file has it in plain text. "
                "Replace it wherever it is in use, then run `pulumi config set --secret "
                f"{NAMESPACE}:{name}`."
            )
    if config.get("cluster") is not None and _is_secret("cluster"):
        raise pulumi.RunError(
            f"{NAMESPACE}:cluster contains a value that was set with --secret. Everything in this "
            "object is stored and shown in plain text. Take the value out of the stack's file, and "
            "replace it wherever it is in use. Secrets go into "
            f"{', '.join(f'{NAMESPACE}:{name}' for name in SECRET_KEYS)}."
        )


def _is_secret(name: str) -> bool:
    key = f"{NAMESPACE}:{name}"
    return is_config_secret(key) or key in get_config_secret_keys_env()


def _secrets(
    config: pulumi.Config, plan: ClusterPlan, *, reaches_cluster: bool
) -> pulumi.Output[ClusterSecrets]:
    """The cluster's secrets, from the stack file or, in the local profile, from a file.

    `reaches_cluster`: the stack has the kubeconfig of an existing cluster, so Spiderpool is
    installed there and needs its certificate. Raises `pulumi.RunError`, in an update also for
    missing secrets.
    """
    if plan.kubernetes.mode == "existing" and not (reaches_cluster and plan.spiderpool.enabled):
        return _unknown()
    name = config.get("secretsFile")
    if name is None:
        text = config.get_secret("secrets")
        if text is not None:
            return pulumi.Output.secret(text.apply(_parsed))
        return _without_secrets(f"{NAMESPACE}:secrets is not set")
    if plan.profile is not Profile.LOCAL:
        raise pulumi.RunError(
            f"{NAMESPACE}:secretsFile is for the local profile only: this stack's secrets would be "
            f"in plain text in {name}. Run `python -m operations secrets init --stack "
            f"{pulumi.get_stack()}`, which keeps them encrypted in the stack's file."
        )
    path = Path(_ROOT, name)
    if not path.is_file():
        return _without_secrets(f"{name} ({NAMESPACE}:secretsFile) does not exist")
    return pulumi.Output.secret(_parsed(path.read_text(encoding="utf-8")))


def _parsed(text: str) -> ClusterSecrets:
    try:
        return parse_secrets(text)
    except SecretsError as error:
        raise pulumi.RunError(f"{NAMESPACE}:secrets: {error}") from error


def _without_secrets(reason: str) -> pulumi.Output[ClusterSecrets]:
    """Unknown secrets for a preview; an update fails with `reason` and the remedy."""
    remedy = f"Run `python -m operations secrets init --stack {pulumi.get_stack()}`."
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(
            f"{reason}, and a cluster cannot be created without its certificates. {remedy}"
        )
    pulumi.log.warn(f"{reason}: values that depend on secrets are shown as unknown. {remedy}")
    return _unknown()


def _unknown() -> pulumi.Output[ClusterSecrets]:
    unknown = cast("pulumi.Output[ClusterSecrets]", pulumi.Output.from_input(pulumi.UNKNOWN))
    return pulumi.Output.secret(unknown)


def _kubeconfig(config: pulumi.Config, plan: ClusterPlan) -> pulumi.Output[str] | None:
    if plan.kubernetes.mode != "existing":
        return None
    kubeconfig = config.get_secret("kubeconfig")
    if kubeconfig is None:
        pulumi.log.warn(
            f"{NAMESPACE}:kubeconfig is not set: the run creates network and machines, but no "
            "object inside Kubernetes. Build the cluster on the machines, run `pulumi config set "
            "--secret "
            f"{NAMESPACE}:kubeconfig` with its kubeconfig on standard input, and then `pulumi up`."
        )
    return kubeconfig


def _access_key(config: pulumi.Config, plan: ClusterPlan) -> pulumi.Output[AccessKey] | None:
    controller = plan.cloud_controller
    access_key = config.get_secret_object("accessKey")
    if not controller.enabled or controller.credentials != "access-key":
        if controller.enabled and access_key is not None:
            raise pulumi.RunError(
                f"{NAMESPACE}:accessKey is set, and cloudController.credentials is ram-role: the "
                "cloud controller takes one of the two. Write credentials: access-key, or run "
                f"`pulumi config rm {NAMESPACE}:accessKey`."
            )
        return None
    if access_key is None:
        raise pulumi.RunError(
            f"cloudController.credentials is access-key, but {NAMESPACE}:accessKey is not set. "
            f"Run `pulumi config set --secret --path {NAMESPACE}:accessKey.accessKeyId …` and the "
            "same for accessKeySecret, or use credentials: ram-role, which needs no key."
        )
    return pulumi.Output.secret(access_key.apply(_access_key_of))


def _access_key_of(document: object) -> AccessKey:
    if isinstance(document, Mapping) and set(document) == {"accessKeyId", "accessKeySecret"}:
        return AccessKey(id=str(document["accessKeyId"]), secret=str(document["accessKeySecret"]))
    raise pulumi.RunError(
        f"{NAMESPACE}:accessKey must be an object with exactly accessKeyId and accessKeySecret."
    )
