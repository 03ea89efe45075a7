"""The annotations by which a program steers the provider for one object.

Names and meanings are the official plugin's (provider/pkg/metadata/annotations.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.protocol.wire import object_at, text_at

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.protocol.wire import Object

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"
PATCH_FORCE: Final = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"

_DEFAULT_TIMEOUT: Final = 600.0


def value_of(target: Object, annotation: str) -> str:
    """Return the annotation's text, an empty one where there is none."""
    return text_at(object_at(target, "metadata", "annotations"), annotation)


def is_true(target: Object, annotation: str) -> bool:
    """Tell whether the annotation is "true"."""
    return value_of(target, annotation) == "true"


def timeout_for(target: Object, custom: float) -> float:
    """Return the seconds to wait: the resource option, the annotation, or ten minutes."""
    if custom:
        return custom
    text = value_of(target, TIMEOUT_SECONDS)
    return float(text) if text.isdecimal() else _DEFAULT_TIMEOUT


def propagation_policy(target: Object) -> str:
    """Return what a deletion does to dependants; Foreground by default."""
    policy = value_of(target, DELETION_PROPAGATION).lower()
    return {"orphan": "Orphan", "background": "Background"}.get(policy, "Foreground")
