"""Authenticates the sender of a signed request."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Final

from localcloud.products.ram import identities
from localcloud.products.ram.entities import AccessKey, Role, Session, User
from localcloud.products.ram.spreading import documents_of
from localcloud.settings import Cloud
from localcloud.state.store import Store
from localcloud.wire import signatures
from localcloud.wire.errors import ApiError, missing

from .principals import Principal

_NONCES_KEPT: Final = 200_000


class Nonces:
    """The nonces of all requests that are recent enough to be accepted."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._order: deque[tuple[float, bytes]] = deque()

    def use(self, key_id: str, nonce: str, now: float) -> None:
        """Record a nonce; raises if this key has used it before."""
        horizon = now - 2 * signatures.MAX_SKEW_SECONDS
        while self._order and (self._order[0][0] < horizon or len(self._order) > _NONCES_KEPT):
            self._seen.discard(self._order.popleft()[1])
        # A digest, so that long nonces take no more memory than short ones.
        name = hashlib.blake2b(f"{key_id}\n{nonce}".encode(), digest_size=16).digest()
        if name in self._seen:
            raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.")
        self._seen.add(name)
        self._order.append((now, name))


class Authenticator:
    """Verifies requests against the keys of one cloud."""

    def __init__(self, store: Store, cloud: Cloud) -> None:
        self._store = store
        self._cloud = cloud
        self._nonces = Nonces()

    def sender(  # noqa: PLR0913  # the parts of a signed request
        self,
        *,
        method: str,
        path: str,
        query: Mapping[str, str],
        form: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Principal:
        """Return the principal that signed the request.

        Raises:
            ApiError: not signed, wrongly signed, too old, replayed, or by an unknown key.
        """
        acs3 = signatures.signed_headers_of(headers)
        if acs3 is not None:
            return self._by_acs3(acs3, method, path, query, headers, body, now)
        if headers.get("authorization"):
            raise ApiError(
                "IncompleteSignature", "The Authorization header is not a valid ACS3 signature."
            )
        return self._by_v1(method, {**query, **form}, now)

    def _by_v1(self, method: str, parameters: Mapping[str, str], now: float) -> Principal:
        for name in ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp"):
            if not parameters.get(name):
                raise missing(name)
        if parameters.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
            raise ApiError(
                "InvalidSignatureMethod", "The signature method must be HMAC-SHA1 or ACS3."
            )
        key_id = parameters["AccessKeyId"]
        secret, principal = self._key(key_id, parameters.get("SecurityToken", ""), now)
        signatures.check_time(parameters["Timestamp"], now)
        computed = signatures.sign_v1(method, parameters, secret)
        self._compare(parameters["Signature"], computed)
        self._nonces.use(key_id, parameters["SignatureNonce"], now)
        return principal

    def _by_acs3(  # noqa: PLR0913, PLR0917  # the parts of a signed request
        self,
        signed: tuple[str, tuple[str, ...], str],
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> Principal:
        key_id, names, signature = signed
        for name in ("x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"):
            if not headers.get(name):
                raise missing(name)
            if name not in names:
                raise ApiError("IncompleteSignature", f"The header {name} must be signed.")
        secret, principal = self._key(key_id, headers.get("x-acs-security-token", ""), now)
        signatures.check_time(headers["x-acs-date"], now)
        digest = hashlib.sha256(body).hexdigest()
        computed = signatures.sign_acs3(method, path, query, headers, names, digest, secret)
        if headers["x-acs-content-sha256"] != digest:
            raise ApiError("SignatureDoesNotMatch", "The body is not the one that was signed.")
        self._compare(signature, computed)
        self._nonces.use(key_id, headers["x-acs-signature-nonce"], now)
        return principal

    @staticmethod
    def _compare(sent: str, computed: str) -> None:
        if not signatures.same(sent, computed):
            raise ApiError(
                "SignatureDoesNotMatch",
                "Specified signature is not matched with our calculation. "
                "Check the AccessKey secret.",
            )

    def _key(self, key_id: str, token: str, now: float) -> tuple[str, Principal]:
        cloud = self._cloud
        if key_id == cloud.root_key_id:
            return cloud.root_secret, Principal(
                kind="Account",
                arn=f"acs:ram::{cloud.account_id}:root",
                identity=cloud.account_id,
                user_id=cloud.account_id,
            )
        key = self._store.find(AccessKey, key_id)
        if key is not None:
            return key.secret, self._user(key, now)
        session = self._store.find(Session, key_id)
        if session is not None:
            return session.secret, self._session(session, token, now)
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)

    def _user(self, key: AccessKey, now: float) -> Principal:
        user = self._store.find(User, key.user_name)
        if user is None or not key.active:
            raise ApiError("InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
        return Principal(
            kind="RAMUser",
            arn=f"acs:ram::{self._cloud.account_id}:user/{user.name}",
            identity=user.user_id,
            user_id=user.user_id,
            policies=documents_of(self._store, self._cloud, user, now),
        )

    def _session(self, session: Session, token: str, now: float) -> Principal:
        if not token:
            raise ApiError("MissingSecurityToken", "SecurityToken is mandatory for this action.")
        if not signatures.same(token, session.token):
            raise ApiError(
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatches with the AccessKey.",
            )
        role = self._store.find(Role, session.role_name)
        if session.expires < now or role is None:
            raise ApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
        return Principal(
            kind="AssumedRoleUser",
            arn=f"{identities.role_arn(self._cloud.account_id, role.name)}/{session.session_name}",
            identity=f"{role.role_id}:{session.session_name}",
            role_id=role.role_id,
            policies=documents_of(self._store, self._cloud, role, now),
            limit=session.policy,
        )
