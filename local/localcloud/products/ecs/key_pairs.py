"""SSH key pairs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localcloud.products import filters, resource_groups
from localcloud.products.pages import PageRequest, Table
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import existing, names
from .entities import Instance, KeyPair

_KINDS_OF_KEYS: Final = ("ssh-rsa ", "ssh-dss ", "ssh-ed25519 ", "ecdsa-sha2-")


@dataclass(frozen=True, kw_only=True)
class ImportKeyPair:
    """Parameters of ImportKeyPair."""

    key_pair_name: str
    public_key_body: str
    region_id: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CreateKeyPair:
    """Parameters of CreateKeyPair."""

    key_pair_name: str
    region_id: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


def _put(
    call: Call, name: str, public: str, group: str, parameters: tuple[TagParameter, ...]
) -> KeyPair:
    names.check_key_pair(name)
    resource_groups.require_of_ecs(group)
    if call.store.find(KeyPair, name) is not None:
        raise ApiError("KeyPair.AlreadyExist", f"The key pair {name!r} already exists.")
    digest = hashlib.md5(public.encode(), usedforsecurity=False).hexdigest()
    return call.store.put(
        KeyPair(
            name=name,
            public_key=public,
            fingerprint=digest,
            resource_group_id=group,
            created=call.now,
            tags=tags.requested(parameters, tags.CREATING),
        )
    )


@action(writes=True)
def import_key_pair(call: Call, request: ImportKeyPair) -> Answer:
    """Import a key pair by its public half. The client keeps the private half."""
    if not request.public_key_body.strip().startswith(_KINDS_OF_KEYS):
        raise ApiError(
            "InvalidPublicKeyBody.Malformed",
            f"PublicKeyBody must begin with one of {', '.join(_KINDS_OF_KEYS)}.",
        )
    pair = _put(
        call,
        request.key_pair_name,
        request.public_key_body.strip(),
        request.resource_group_id,
        request.tag,
    )
    return {"KeyPairName": pair.name, "KeyPairFingerPrint": pair.fingerprint}


@action(writes=True)
def create_key_pair(call: Call, request: CreateKeyPair) -> Answer:
    """Create a key pair. Only this answer contains the private half."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    pair = _put(
        call, request.key_pair_name, public.decode(), request.resource_group_id, request.tag
    )
    body = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return {
        "KeyPairId": f"ssh-{pair.fingerprint[:17]}",
        "KeyPairName": pair.name,
        "KeyPairFingerPrint": pair.fingerprint,
        "PrivateKeyBody": body.decode(),
    }


@dataclass(frozen=True, kw_only=True)
class DescribeKeyPairs(PageRequest):
    """Parameters of DescribeKeyPairs."""

    region_id: str | None = None
    key_pair_name: str | None = None
    key_pair_finger_print: str | None = None
    include_public_key: bool | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _shown(_call: Call, k: KeyPair, *, public: bool) -> dict[str, object]:
    return {
        "KeyPairName": k.name,
        "KeyPairFingerPrint": k.fingerprint,
        "PublicKey": k.public_key if public else "",
        "ResourceGroupId": k.resource_group_id,
        "CreationTime": moment(k.created),
        "Tags": tags.ecs(k.tags),
    }


@action()
def describe_key_pairs(call: Call, request: DescribeKeyPairs) -> Answer:
    """List key pairs by filter. A name may end in `*`."""
    name = request.key_pair_name or "*"
    key_pairs = [
        k
        for k in call.store.all(KeyPair)
        if (k.name.startswith(name[:-1]) if name.endswith("*") else k.name == name)
        and filters.equal(request.key_pair_finger_print, k.fingerprint)
        and resource_groups.is_shown(request.resource_group_id, k.resource_group_id)
        and tags.match(k.tags, request.tag)
    ]
    show = partial(_shown, public=bool(request.include_public_key))
    return Table("KeyPairs", "KeyPair", show, most=50).numbered(call, key_pairs, request)


@dataclass(frozen=True, kw_only=True)
class DeleteKeyPairs:
    """Parameters of DeleteKeyPairs."""

    key_pair_names: tuple[str, ...]
    region_id: str | None = None


@action(writes=True)
def delete_key_pairs(call: Call, request: DeleteKeyPairs) -> Answer:
    """Delete key pairs that no instance has. An unknown name is not an error."""
    for name in request.key_pair_names:
        if call.store.any(Instance, "key_pair", name):
            raise ApiError(
                "InvalidParameter.KeypairAlreadyAttachedInstance",
                f"The key pair {name!r} is on an instance.",
            )
        pair = call.store.find(KeyPair, name)
        if pair is not None:
            call.store.remove(pair)
    return {}


@dataclass(frozen=True, kw_only=True)
class AttachKeyPair:
    """Parameters of AttachKeyPair. InstanceIds is a JSON array."""

    key_pair_name: str
    instance_ids: tuple[str, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DetachKeyPair:
    """Parameters of DetachKeyPair. InstanceIds is a JSON array."""

    key_pair_name: str
    instance_ids: tuple[str, ...]
    region_id: str | None = None


def _put_on(call: Call, name: str, ids: tuple[str, ...], key_pair: str) -> Answer:
    existing.key_pair(call, name)
    for instance_id in ids:
        instance = existing.instance(
            call, instance_id, code="InvalidInstanceIds.ValueNotSupported", status=400
        )
        call.store.change(instance, key_pair=key_pair)
    results = [
        {"InstanceId": i, "Success": "true", "Code": "200", "Message": "successful"} for i in ids
    ]
    return {
        "KeyPairName": name,
        "TotalCount": str(len(ids)),
        "FailCount": "0",
        "Results": {"Result": results},
    }


@action(writes=True)
def attach_key_pair(call: Call, request: AttachKeyPair) -> Answer:
    """Bind a key pair to instances, in place of any other. It works from the next boot on."""
    return _put_on(call, request.key_pair_name, request.instance_ids, request.key_pair_name)


@action(writes=True)
def detach_key_pair(call: Call, request: DetachKeyPair) -> Answer:
    """Unbind the key pair from instances."""
    return _put_on(call, request.key_pair_name, request.instance_ids, "")
