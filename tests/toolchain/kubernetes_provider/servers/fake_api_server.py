"""A small API server in memory: discovery, server-side apply, dry run, finalizers, faults.

It keeps to the API's contracts as far as the provider uses them; lists are atomic in its apply.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Json = dict[str, Any]
AnyJson: TypeAlias = Any
Path = tuple[str, ...]

BUILT_IN = {
    "v1": [
        ("configmaps", "ConfigMap", True),
        ("endpoints", "Endpoints", True),
        ("namespaces", "Namespace", False),
        ("nodes", "Node", False),
        ("pods", "Pod", True),
        ("secrets", "Secret", True),
        ("services", "Service", True),
    ],
    "apps/v1": [("deployments", "Deployment", True)],
    "apiextensions.k8s.io/v1": [
        ("customresourcedefinitions", "CustomResourceDefinition", False),
    ],
}


@dataclass(kw_only=True)
class Fault:
    """An answer given instead of the real one, ``times`` times."""

    status: int
    message: str
    times: int = 1
    method: str = ""
    reason: str = ""
    breaks: Literal["", "before", "after"] = ""  # the connection, before or after the effect


class StatusError(Exception):
    def __init__(
        self, code: int, reason: str, message: str, causes: list[Json] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.causes = code, reason, causes or []


@dataclass(kw_only=True)
class FakeApiServer:
    """``objects`` by path; ``admit`` may raise StatusError, ``on_write`` act as a controller."""

    objects: dict[str, Json] = field(default_factory=dict)
    kinds: dict[str, list[tuple[str, str, bool]]] = field(
        default_factory=lambda: {version: list(kinds) for version, kinds in BUILT_IN.items()}
    )
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    admit: Callable[[Json], None] | None = None
    on_write: Callable[[Json], None] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    revision: int = 0

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                code, answer = outer.handle(
                    self.command, self.path, self.headers.get("Content-Type", ""), text
                )
                if not code:
                    self.close_connection = True
                    return
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def kubeconfig(self) -> str:
        return kubeconfig_for(f"http://127.0.0.1:{self.port}")

    def count(self, method: str) -> int:
        return sum(1 for seen, _, _ in self.requests if seen == method)

    # -- one request

    def handle(self, method: str, target: str, content_type: str, text: bytes) -> tuple[int, Json]:
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.lock:
            self.requests.append((method, url.path, query))
            fault = self._fault(method, url.path)
            if fault and fault.breaks != "after":
                code = 0 if fault.breaks else fault.status
                return code, _status(fault.status, fault.reason, fault.message)
            try:
                body = json.loads(text) if text else None
                code, answer = self._answer(method, url.path, query, content_type, body)
            except StatusError as error:
                return error.code, _status(error.code, error.reason, str(error), error.causes)
            return (0 if fault else code), answer

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and path != "/readyz" and fault.method in ("", method):
                fault.times -= 1
                return fault
        return None

    def _answer(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        content_type: str,
        body: AnyJson,
    ) -> tuple[int, Json]:
        if path == "/readyz":
            return 200, {}
        if discovery := re.fullmatch(r"/apis?/((?:[^/]+/)?v[^/]+)", path):
            return self._discover(discovery.group(1))
        kind, namespaced, name = self._route(path)
        dry = query.get("dryRun") == "All"
        verbs: dict[str, Callable[[], tuple[int, Json]]] = {
            "GET": lambda: (200, self._get(path, kind, name)),
            "DELETE": lambda: (200, self._delete(path, kind, name)),
            "POST": lambda: (201, self._create(path, kind, body, query, dry=dry)),
            "PUT": lambda: (200, self._replace(path, kind, body, query, dry=dry)),
            "PATCH": lambda: (200, self._patch(path, content_type, body, query, dry=dry)),
        }
        if method in ("POST", "PATCH"):
            self._need_namespace(path, namespaced)
        return verbs[method]()

    def _get(self, path: str, kind: str, name: str) -> Json:
        if name:
            return self._existing(path, kind, name)
        items = [item for key, item in self.objects.items() if key.startswith(path + "/")]
        return {"kind": f"{kind}List", "items": items}

    def _create(
        self, path: str, kind: str, body: Json, query: dict[str, str], *, dry: bool
    ) -> Json:
        name = body["metadata"]["name"]
        if f"{path}/{name}" in self.objects:
            raise StatusError(409, "AlreadyExists", f'{kind.lower()}s "{name}" already exists')
        return self._write(f"{path}/{name}", None, body, query, dry=dry)

    def _replace(
        self, path: str, kind: str, body: Json, query: dict[str, str], *, dry: bool
    ) -> Json:
        live = self._existing(path, kind, body["metadata"]["name"])
        if body["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
            raise StatusError(409, "Conflict", "the object has been modified")
        kept = {"uid": live["metadata"]["uid"], "generation": live["metadata"]["generation"]}
        body["metadata"] |= kept
        return self._write(path, live, body, query, dry=dry)

    def _patch(
        self,
        path: str,
        content_type: str,
        body: AnyJson,
        query: dict[str, str],
        *,
        dry: bool,
    ) -> Json:
        if "json-patch" in content_type:
            return self._json_patch(path, body)
        assert "apply-patch" in content_type, content_type
        return self._apply(path, body, query, dry=dry)

    def _discover(self, version: str) -> tuple[int, Json]:
        if version not in self.kinds:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        resources = [
            {"name": plural, "kind": kind, "namespaced": namespaced}
            for plural, kind, namespaced in self.kinds[version]
        ]
        return 200, {"kind": "APIResourceList", "resources": resources}

    def _route(self, path: str) -> tuple[str, bool, str]:
        match = re.fullmatch(
            r"/(?:api/(v1)|apis/([^/]+/v[^/]+))(?:/namespaces/([^/]+)(?=/.))?/([^/]+)(?:/([^/]+))?",
            path,
        )
        assert match, path
        version = match.group(1) or match.group(2)
        for plural, kind, namespaced in self.kinds.get(version, ()):
            if plural == match.group(4):
                assert namespaced == bool(match.group(3)), f"{path}: wrong scope"
                return kind, namespaced, match.group(5) or ""
        raise StatusError(404, "NotFound", "the server could not find the requested resource")

    def _existing(self, path: str, kind: str, name: str) -> Json:
        if path not in self.objects:
            raise StatusError(404, "NotFound", f'{kind.lower()}s "{name}" not found')
        return self.objects[path]

    def _need_namespace(self, path: str, namespaced: bool) -> None:  # noqa: FBT001
        name = path.split("/namespaces/")[1].split("/", maxsplit=1)[0] if namespaced else "default"
        if name != "default" and f"/api/v1/namespaces/{name}" not in self.objects:
            raise StatusError(404, "NotFound", f'namespaces "{name}" not found')

    def _delete(self, path: str, kind: str, name: str) -> Json:
        live = self._existing(path, kind, name)
        if live["metadata"].get("finalizers"):
            live["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            return live
        del self.objects[path]
        return {"kind": "Status", "status": "Success"}

    # -- writing

    def _write(
        self, path: str, live: Json | None, body: Json, query: dict[str, str], *, dry: bool
    ) -> Json:
        written = copy.deepcopy(body)
        owners = _owners(live) if live else {}
        owners[query["fieldManager"], "Update"] = set(_leaves(written))
        return self._store(path, live, written, owners, dry=dry)

    def _apply(self, path: str, body: Json, query: dict[str, str], *, dry: bool) -> Json:
        live = self.objects.get(path)
        me = (query["fieldManager"], "Apply")
        owners = _owners(live) if live else {}
        applied = _leaves(body)
        result = copy.deepcopy(live) if live else copy.deepcopy(body)
        if live:
            current = _leaves(live)
            clashes = [
                (leaf, other)
                for leaf, value in applied.items()
                for other, fields in owners.items()
                if other != me and leaf in fields and current.get(leaf) != value
            ]
            if clashes and query.get("force") != "true":
                causes = [
                    {
                        "reason": "FieldManagerConflict",
                        "field": "." + ".".join(leaf),
                        "message": f'conflict with "{other[0]}" using {body["apiVersion"]}',
                    }
                    for leaf, other in clashes
                ]
                raise StatusError(409, "Conflict", "Apply failed with conflicts", causes)
            for leaf, other in clashes:
                owners[other].discard(leaf)
            for leaf in owners.get(me, set()) - applied.keys():
                if not any(leaf in fields for who, fields in owners.items() if who != me):
                    _remove(result, leaf)
            for leaf, value in applied.items():
                _set(result, leaf, value)
        owners[me] = set(applied)
        return self._store(path, live, result, owners, dry=dry)

    def _json_patch(self, path: str, patch: list[Json]) -> Json:
        live = copy.deepcopy(self.objects[path])
        for step in patch:
            keys = step["path"].strip("/").split("/")
            if keys == ["metadata", "resourceVersion"]:
                if step["value"] != live["metadata"]["resourceVersion"]:
                    raise StatusError(409, "Conflict", "the object has been modified")
                continue
            _set(live, tuple(keys), step["value"])
        self.objects[path] = live
        return live

    def _store(
        self,
        path: str,
        live: Json | None,
        written: Json,
        owners: dict[tuple[str, str], set[Path]],
        *,
        dry: bool,
    ) -> Json:
        if self.admit:
            self.admit(written)
        metadata = written["metadata"]
        self.revision += 1
        if live is None:
            metadata["uid"] = f"uid-{self.revision}"
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
            metadata["generation"] = 0
            if "/namespaces/" in path and written["kind"] != "Namespace":
                metadata["namespace"] = path.split("/namespaces/")[1].split("/", maxsplit=1)[0]
            if written["kind"] == "Service":
                written["spec"].setdefault("clusterIP", f"10.0.0.{self.revision}")
            if written["kind"] == "Secret" and "stringData" in written:
                raise AssertionError("stringData should have been normalized")
        metadata["resourceVersion"] = str(self.revision)
        metadata["generation"] += 1
        metadata["managedFields"] = [
            {
                "manager": who,
                "operation": how,
                "apiVersion": written["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": _tree(fields),
            }
            for (who, how), fields in owners.items()
            if fields
        ]
        if not dry:
            self.objects[path] = written
            if written["kind"] == "CustomResourceDefinition":
                self._establish(written)
            if self.on_write:
                self.on_write(written)
        return written

    def _establish(self, definition: Json) -> None:
        spec = definition["spec"]
        names = spec["names"]
        for version in spec["versions"]:
            kinds = self.kinds.setdefault(f"{spec['group']}/{version['name']}", [])
            entry = (names["plural"], names["kind"], spec["scope"] == "Namespaced")
            if entry not in kinds:
                kinds.append(entry)
        definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}


def later(seconds: float, act: Callable[[], None]) -> None:
    """Do something after a while, as a controller would."""

    def run() -> None:
        time.sleep(seconds)
        act()

    threading.Thread(target=run, daemon=True).start()


def kubeconfig_for(server: str, **user: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user or {"token": "not-a-real-token"}}],
        }
    )


def _status(code: int, reason: str, message: str, causes: list[Json] | None = None) -> Json:
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": {"causes": causes or []},
    }


_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
_SERVER = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}


def _leaves(value: Json) -> dict[Path, Any]:
    leaves: dict[Path, Any] = {}

    def walk(item: AnyJson, path: Path) -> None:
        if isinstance(item, dict) and item:
            for key, inner in item.items():
                walk(inner, (*path, key))
        elif path not in _IDENTITY and path[:1] != ("status",):
            if path[:1] == ("metadata",) and path[1] in _SERVER:
                return
            leaves[path] = item

    for key, item in value.items():
        if key == "metadata":
            item = {name: inner for name, inner in item.items() if name not in _SERVER}  # noqa: PLW2901
        walk(item, (key,))
    return leaves


def _tree(paths: set[Path]) -> Json:
    root: Json = {}
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(f"f:{part}", {})
    return root


def _owners(live: Json) -> dict[tuple[str, str], set[Path]]:
    def walk(node: Json, path: Path) -> set[Path]:
        if not node:
            return {path}
        return {
            leaf
            for key, inner in node.items()
            for leaf in walk(inner, (*path, key.removeprefix("f:")))
        }

    return {
        (entry["manager"], entry["operation"]): walk(entry["fieldsV1"], ())
        for entry in live["metadata"].get("managedFields", [])
    }


def _set(target: Json, path: Path, value: AnyJson) -> None:
    for part in path[:-1]:
        target = target.setdefault(part, {})
    if value == {} and isinstance(target.get(path[-1]), dict):
        return  # owning an empty object does not empty it
    target[path[-1]] = value


def _remove(target: Json, path: Path) -> None:
    for part in path[:-1]:
        target = target.get(part, {})
    target.pop(path[-1], None)
