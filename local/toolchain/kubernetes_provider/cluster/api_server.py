"""HTTP to one API server: reports errors in sentences and retries while the server restarts.

A request is tried again for at most ``patience`` seconds when the server cannot be connected to,
breaks off, or answers 429, 502, 503, 504, or 500 with etcd's own error. A refusal by a webhook
that does not answer (500, "failed calling webhook") is not tried again: the official plugin does
not retry it either, so a program that relies on a retry would fail against a real cluster.
"""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import httpx

from toolchain.kubernetes_provider.errors import ApiError, CancelledError, UnreachableError, ended
from toolchain.kubernetes_provider.protocol.wire import Object, Value, at, objects_at, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolchain.kubernetes_provider.cluster.kubeconfig import Credentials

JSON_TYPE: Final = "application/json"
APPLY_TYPE: Final = "application/apply-patch+yaml"
JSON_PATCH_TYPE: Final = "application/json-patch+json"

_PATIENCE: Final = 60.0  # a static pod API server is back well within this
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0
_RESTART_CODES: Final = frozenset({429, 502, 503, 504})
_REQUEST_TIMEOUT: Final = 65.0  # the API server's own limit is 60 s
_HTTP_ERROR: Final = 400
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Cluster:
    """One API server and the credentials for it. Safe to use from several threads."""

    def __init__(
        self, using: Credentials, *, namespace: str = "", patience: float = _PATIENCE
    ) -> None:
        self.credentials = using
        self.namespace = namespace or using.namespace
        self._patience = patience
        self._stop = threading.Event()
        headers = {"User-Agent": "spiderpool-alicloud-kubernetes-stand-in"}
        if using.token:
            headers["Authorization"] = f"Bearer {using.token}"
        auth = None
        if using.username and not using.token:
            auth = httpx.BasicAuth(using.username, using.password or "")
        self._extensions: Mapping[str, str] = (
            {"sni_hostname": using.server_name} if using.server_name else {}
        )
        # trust_env is off so that no proxy or CA bundle of the environment interferes.
        self._http = httpx.Client(
            base_url=using.server,
            verify=_tls(using) if using.server.startswith("https:") else False,
            headers=headers,
            auth=auth,
            trust_env=False,
            timeout=_REQUEST_TIMEOUT,
            limits=httpx.Limits(max_connections=128, max_keepalive_connections=32),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def cancel(self) -> None:
        """Make every wait end now."""
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Sleep; raise CancelledError when the engine asks to stop."""
        if self._stop.wait(seconds):
            raise CancelledError("The operation stopped because the engine cancelled it.")

    def attempts(
        self, *, within: float, pause: float, growth: float = 1.0, longest: float = inf
    ) -> Iterator[bool]:
        """Yield one item for each attempt: whether it is the last one, because the time is up.

        Args:
            within: Seconds until the last attempt.
            pause: Seconds between the first two attempts.
            growth: Each later pause is this many times as long as the one before.
            longest: The longest pause in seconds.

        Raises CancelledError when the engine asks to stop.
        """
        end = time.monotonic() + within
        while True:
            yield time.monotonic() >= end
            self.pause(pause)
            pause = min(pause * growth, longest)

    def probe(self, *, seconds: float) -> str | None:
        """Return why the API server cannot be used, ``None`` when it can within the time."""
        try:
            self.request("GET", "/readyz", patience=seconds, raw=True)
        except UnreachableError as error:
            return str(error)
        except ApiError as error:
            if error.code == _UNAUTHORIZED:
                return f"{self.credentials.server} does not accept the kubeconfig's credentials."
            if error.code >= _SERVER_ERROR:
                return f"{self.credentials.server} answers, but is not ready: {ended(str(error))}"
        return None

    def get(self, path: str) -> Object | None:
        """Return the object at the path, ``None`` when there is none."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    def request(  # noqa: PLR0913 - one name for each part of an HTTP request
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Value = None,
        content_type: str = JSON_TYPE,
        patience: float | None = None,
        raw: bool = False,
    ) -> Object:
        """Send one request and return the answer's object (an empty one with ``raw``).

        Raises ApiError for an answer of 400 and above, UnreachableError without an answer. A POST
        that may have arrived is not repeated; the caller gets UnreachableError.
        """
        attempts = self.attempts(
            within=self._patience if patience is None else patience,
            pause=_FIRST_PAUSE,
            growth=2,
            longest=_LONGEST_PAUSE,
        )
        while True:
            late = next(attempts)
            try:
                answer = self._http.request(
                    method,
                    path,
                    params=params,
                    content=None if body is None else json.dumps(body).encode(),
                    headers={"Content-Type": content_type, "Accept": JSON_TYPE},
                    extensions=dict(self._extensions),
                )
            except httpx.TransportError as error:
                certain = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                hopeless = isinstance(error.__cause__, ssl.SSLError) or _is_tls_error(error)
                if late or hopeless or (method == "POST" and not certain):
                    why = str(error) or type(error).__name__
                    raise UnreachableError(
                        f"{self.credentials.server} does not answer: {ended(why)}"
                    ) from None
            else:
                if answer.status_code < _HTTP_ERROR:
                    return {} if raw else _object(answer)
                failure = _error(answer)
                if late or not _may_pass(failure):
                    raise failure


def _is_tls_error(error: httpx.TransportError) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error) or "SSL:" in str(error)


def _may_pass(failure: ApiError) -> bool:
    if failure.code in _RESTART_CODES:
        return True
    return failure.code == _SERVER_ERROR and "etcdserver" in str(failure)


def _tls(using: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=using.authority)
    if using.skip_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if using.certificate and using.key:
        # The ssl module reads files only; they live for the length of this call.
        with tempfile.TemporaryDirectory(prefix="kubernetes-provider-") as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_text(f"{using.certificate}\n{using.key}", encoding="utf-8")
            context.load_cert_chain(path)
    return context


def _object(answer: httpx.Response) -> Object:
    document = answer.json()
    return document if isinstance(document, dict) else {}


def _error(answer: httpx.Response) -> ApiError:
    try:
        document: Value = answer.json()
    except ValueError:
        document = None
    message = text_at(document, "message") or answer.text[:500] or answer.reason_phrase
    return ApiError(
        code=answer.status_code,
        reason=text_at(document, "reason"),
        message=message,
        causes=tuple(
            (text_at(cause, "reason"), text_at(cause, "field"), text_at(cause, "message"))
            for cause in objects_at(at(document, "details"), "causes")
        ),
    )
