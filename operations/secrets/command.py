"""`secrets init` and the rotations: find the stack's store, and report each step."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from operations.engine.cluster_access import check_answer, open_cluster
from operations.engine.environment import users_environment
from operations.engine.places import ROOT, Places
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import ExitCode, OperationError
from operations.secrets import encryption
from operations.secrets.pki import WEBHOOK_SERVICE
from operations.secrets.rotation import (
    HANDED_OVER_WITHIN,
    Deployed,
    Step,
    read_deployed,
    serve_the_new,
    step_of,
    trust_both,
    trust_the_new,
)
from operations.secrets.store import (
    FileStore,
    SecretStore,
    StackConfigStore,
    init_secrets,
    read_secrets,
)
from planning.nodes.secrets import dump_secrets
from planning.spiderpool.chart import NAMESPACE

_SECRET: Final = "spiderpool-controller-server-certs"  # noqa: S105 - the name of one
_READ_WITHIN: Final = 60.0


def make_stack_secrets(stack: str, *, file: Path | None) -> str:
    """Create a stack's secrets and return a sentence with their place and their expiry.

    Raises:
        OperationError: The stack already has secrets, or cannot store them.
    """
    stack_file = Stack.read(path_of_stack(stack))
    plan = stack_file.plan()
    secrets = init_secrets(plan.name, store_of(stack, stack_file, file))
    return (
        f"Created the secrets of {plan.name} in {secrets.where}; valid until "
        f"{secrets.expires:%Y-%m-%d}."
    )


def rotate_webhook(stack: str, places: Places, *, file: Path | None) -> str:
    """Take the next step to another webhook certificate; return a sentence with the step after it.

    Raises:
        OperationError: The previous step is not deployed yet, or the stack has no secrets.
    """
    store = store_of(stack, Stack.read(path_of_stack(stack)), file)
    secrets, now = read_secrets(store), datetime.now(UTC)
    step = step_of(secrets)
    if step is Step.SETTLED:
        store.write(dump_secrets(trust_both(secrets, now=now, entropy=os.urandom)))
        return (
            f"Step 1 of 3: {store.name} has a new CA and certificate for the webhook, and the "
            f"next run makes the cluster trust both CAs. {_deploy(stack)}, then run this again."
        )
    deployed = _deployed(stack, places)
    if step is Step.BOTH_TRUSTED:
        store.write(dump_secrets(serve_the_new(secrets, deployed)))
        minutes = HANDED_OVER_WITHIN.seconds // 60
        return (
            f"Step 2 of 3: the next run makes the webhook serve the new certificate. "
            f"{_deploy(stack)}, wait {minutes} minutes, then run this again."
        )
    store.write(dump_secrets(trust_the_new(secrets, deployed, now=now)))
    return (
        "Step 3 of 3: the next run makes the cluster trust only the new CA. "
        f"{_deploy(stack)}; the rotation is then complete."
    )


def rotate_encryption(stack: str, places: Places, *, file: Path | None) -> str:
    """Take the next step to another key of Secrets in etcd; return a sentence with the one after.

    Raises:
        OperationError: Somebody else runs the cluster, the stack has no secrets, or the previous
            step is not deployed on every control plane yet.
    """
    stack_file = Stack.read(path_of_stack(stack))
    plan = stack_file.plan()
    if plan.kubernetes.mode != "kubeadm":
        raise OperationError(
            f"Stack {stack} has kubernetes.mode: existing, and only the keys of clusters that this "
            "program built can be rotated here, because others set up encryption in their own way. "
            "Rotate by the means of that cluster "
            "(https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/).",
            code=ExitCode.REFUSED,
        )
    store = store_of(stack, stack_file, file)
    secrets = read_secrets(store)
    keys, step = secrets.encryption_keys, encryption.step_of(secrets)
    with open_cluster(stack, places) as cluster:
        running = encryption.read_control_planes(cluster.runner, stack)
        planned = [plane.name for plane in plan.control_planes]
        encryption.check_deployed(keys, running, planned)
        rewritten = 0
        if step is encryption.Step.NEW_WRITES:
            rewritten = encryption.write_every_secret_again(cluster.runner)
    coming = encryption.next_keys(keys)
    store.write(dump_secrets(replace(secrets, encryption_keys=coming)))
    match step:
        case encryption.Step.SETTLED:
            return (
                f"Step 1 of 3: the next run makes every API server read {coming[-1]} too. "
                f"{_deploy(stack)}, then run this again."
            )
        case encryption.Step.BOTH_READ:
            return (
                f"Step 2 of 3: the next run makes every API server write Secrets with {coming[0]}. "
                f"{_deploy(stack)}, then run this again."
            )
        case encryption.Step.NEW_WRITES:
            return (
                f"Step 3 of 3: {rewritten} Secrets are written again with {coming[0]}, and the "
                f"next run makes the API servers forget {keys[-1]}. {_deploy(stack)}; the "
                "rotation is then complete."
            )


def rewrite_secrets(stack: str, places: Places) -> str:
    """Write every Secret of the cluster again, as it is; return a sentence with their number.

    Raises:
        OperationError: The cluster does not answer, or a Secret could not be written.
    """
    with open_cluster(stack, places) as cluster:
        running = encryption.read_control_planes(cluster.runner, stack)
        number = encryption.write_every_secret_again(cluster.runner)
    keys = sorted({names[0] for names in running.values() if names})
    return (
        f"{number} Secrets are written again, with {' or '.join(keys) or 'no key'}. A control "
        "plane that waits to forget a key does so within a few minutes."
    )


def _deploy(stack: str) -> str:
    return f"Run `pulumi up --stack {stack}`"


def _deployed(stack: str, places: Places) -> Deployed:
    with open_cluster(stack, places) as cluster:
        return deployed_webhook(stack, cluster.runner)


def deployed_webhook(stack: str, runner: Runner) -> Deployed:
    """Read the webhook's certificate and CAs from the cluster that the runner's KUBECONFIG names.

    Raises:
        OperationError: the API server does not answer, or something of the webhook is missing.
    """
    done = runner.run(
        [
            "kubectl",
            "get",
            "--namespace",
            NAMESPACE,
            "--output",
            "json",
            "--show-managed-fields",
            f"mutatingwebhookconfigurations/{WEBHOOK_SERVICE}",
            f"validatingwebhookconfigurations/{WEBHOOK_SERVICE}",
            f"secrets/{_SECRET}",
        ],
        deadline=_READ_WITHIN,
        quiet=True,
    )
    check_answer(done, f"kubectl could not read the webhooks of stack {stack}")
    return read_deployed(json.loads(done.out))


def store_of(stack: str, stack_file: Stack, file: Path | None = None) -> SecretStore:
    """Return the place of a stack's secrets; sends no request yet.

    Raises:
        OperationError: `file` is given for a stack that keeps them encrypted.
    """
    named = stack_file.secrets_file
    if named is not None:
        return FileStore(ROOT / named if file is None else file.resolve())
    if file is not None:
        raise OperationError(
            f"Stack {stack} keeps its secrets encrypted in {stack_file.path}, not in a plain "
            "text file; leave --file out.",
            code=ExitCode.REFUSED,
        )
    runner = Runner(env=users_environment(Places.of(ROOT / ".local"), os.environ))
    return StackConfigStore(stack=stack, runner=runner, kept=stack_file.has_secrets)
