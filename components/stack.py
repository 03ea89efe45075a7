"""What the program takes from its stack: the configuration as a plan, and the secrets apart."""

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
from planning.spiderpool.value_checks import value_problems

_ROOT = Path(__file__).parent.parent
"""The project's folder, which a relative `secretsFile` starts from."""


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An AccessKey pair for the cloud controller."""

    id: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StackInputs:
    """Everything a stack gives to the program. Secrets are Outputs, and secret ones."""

    plan: ClusterPlan
    secrets: pulumi.Output[ClusterSecrets]
    """Unknown in a preview without secrets; outside previews there is no run without them."""
    kubeconfig: pulumi.Output[str] | None
    """Of the cluster that `kubernetes.mode: existing` is about, as soon as there is one."""
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
            f"{NAMESPACE}:cluster is missing from this stack's file, or is not an object. It says "
            "what the cluster is; start from stacks/Pulumi.dev.yaml, or from docs/examples."
        )
    try:
        plan = _plan(document)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from error
    for notice in notices(document, effective_document(document)):
        pulumi.log.info(notice)
    kubeconfig = _kubeconfig(config, plan)
    return StackInputs(
        plan=plan,
        secrets=_secrets(config, plan, inside=kubeconfig is not None),
        kubeconfig=kubeconfig,
        access_key=_access_key(config, plan),
    )


def _refuse_misplaced_secrets(config: pulumi.Config) -> None:
    """What must be encrypted is, and nothing that is encrypted would be stored in clear.

    Pulumi decrypts a value inside the `cluster` object before the program sees it; all it says is
    that the key holds a secret. No message shows a value.
    """
    for name in SECRET_KEYS:
        if config.get(name) is not None and not _is_secret(name):
            raise pulumi.RunError(
                f"{NAMESPACE}:{name} is a secret, and is in clear in this stack's file. Replace it "
                f"where it was in use, then run `pulumi config set --secret {NAMESPACE}:{name}`."
            )
    if config.get("cluster") is not None and _is_secret("cluster"):
        raise pulumi.RunError(
            f"{NAMESPACE}:cluster holds a value that was set with --secret. Everything in this "
            "object is stored and shown in clear. Take the value out of the stack's file, and "
            "replace it where it was in use; secrets belong into "
            f"{', '.join(f'{NAMESPACE}:{name}' for name in SECRET_KEYS)}."
        )


def _is_secret(name: str) -> bool:
    key = f"{NAMESPACE}:{name}"
    return is_config_secret(key) or key in get_config_secret_keys_env()


def _plan(document: Mapping[str, object]) -> ClusterPlan:
    plan = plan_from(document)
    if problems := value_problems(plan):
        raise ConfigError(problems)
    return plan


def _secrets(
    config: pulumi.Config, plan: ClusterPlan, *, inside: bool
) -> pulumi.Output[ClusterSecrets]:
    """`inside`: there is a cluster already, and its webhook may need a certificate of ours."""
    if plan.kubernetes.mode == "existing" and not (inside and plan.spiderpool.enabled):
        return _unknown()
    name = config.get("secretsFile")
    if name is None:
        text = config.get_secret("secrets")
        if text is not None:
            return pulumi.Output.secret(text.apply(_parsed))
        return _without(f"{NAMESPACE}:secrets is not set")
    if plan.profile is not Profile.LOCAL:
        raise pulumi.RunError(
            f"{NAMESPACE}:secretsFile is for the local profile only: this stack's secrets would "
            f"lie in clear in {name}. Run `python -m operations secrets init --stack "
            f"{pulumi.get_stack()}`, which keeps them encrypted in the stack's file."
        )
    path = Path(_ROOT, name)
    if not path.is_file():
        return _without(f"{name} ({NAMESPACE}:secretsFile) does not exist")
    return pulumi.Output.secret(_parsed(path.read_text(encoding="utf-8")))


def _parsed(text: str) -> ClusterSecrets:
    try:
        return parse_secrets(text)
    except SecretsError as error:
        raise pulumi.RunError(f"{NAMESPACE}:secrets: {error}") from error


def _without(reason: str) -> pulumi.Output[ClusterSecrets]:
    way_out = f"Run `python -m operations secrets init --stack {pulumi.get_stack()}`."
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(
            f"{reason}, and a cluster cannot be made without its certificates. {way_out}"
        )
    pulumi.log.warn(f"{reason}: what depends on secrets is shown as unknown. {way_out}")
    return _unknown()


def _unknown() -> pulumi.Output[ClusterSecrets]:
    unknown = cast("pulumi.Output[ClusterSecrets]", pulumi.Output.from_input(pulumi.UNKNOWN))
    return pulumi.Output.secret(unknown)


def _kubeconfig(config: pulumi.Config, plan: ClusterPlan) -> pulumi.Output[str] | None:
    if plan.kubernetes.mode != "existing":
        return None
    given = config.get_secret("kubeconfig")
    if given is None:
        pulumi.log.warn(
            f"{NAMESPACE}:kubeconfig is not set: network and machines are made, nothing inside "
            "Kubernetes. Build the cluster on the machines, then run `pulumi config set --secret "
            f"{NAMESPACE}:kubeconfig` with its kubeconfig on standard input, and `pulumi up`."
        )
    return given


def _access_key(config: pulumi.Config, plan: ClusterPlan) -> pulumi.Output[AccessKey] | None:
    wanted = plan.cloud_controller
    given = config.get_secret_object("accessKey")
    if not wanted.enabled or wanted.credentials != "access-key":
        if wanted.enabled and given is not None:
            raise pulumi.RunError(
                f"{NAMESPACE}:accessKey is set, and cloudController.credentials is ram-role: the "
                "cloud controller takes one of the two. Write credentials: access-key, or run "
                f"`pulumi config rm {NAMESPACE}:accessKey`."
            )
        return None
    if given is None:
        raise pulumi.RunError(
            f"cloudController.credentials is access-key, but {NAMESPACE}:accessKey is not set. "
            f"Run `pulumi config set --secret --path {NAMESPACE}:accessKey.accessKeyId …` and the "
            "same for accessKeySecret, or use credentials: ram-role, which needs no key."
        )
    return pulumi.Output.secret(given.apply(_pair))


def _pair(given: object) -> AccessKey:
    if isinstance(given, Mapping) and set(given) == {"accessKeyId", "accessKeySecret"}:
        return AccessKey(id=str(given["accessKeyId"]), secret=str(given["accessKeySecret"]))
    raise pulumi.RunError(
        f"{NAMESPACE}:accessKey must be an object with exactly accessKeyId and accessKeySecret."
    )
