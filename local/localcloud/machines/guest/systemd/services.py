"""Services of a machine, started and stopped by `systemctl`; children of the first process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.apt.packages import base_units
from localcloud.machines.guest.bus import SOCKET, Reply
from localcloud.machines.guest.lines import python_environment, say
from localcloud.machines.guest.systemd import units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOGS: Final = Path("/var/log/machine")
_WANTS: Final = Path("/etc/systemd/system/multi-user.target.wants")
_TIMERS: Final = Path("/etc/systemd/system/timers.target.wants")
_STOP_SECONDS: Final = 5.0
_RESTART_SECONDS: Final = 1.0
_NO_UNIT: Final = 5
_NOT_ACTIVE: Final = 3
_NOT_UNIT_STATUS: Final = 4


class _Service:
    """One running unit."""

    def __init__(self, unit: units.Unit) -> None:
        self.unit = unit
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self.code = 0

    @property
    def active(self) -> bool:
        return (self.unit.oneshot and self.code == 0) or not self._ended.is_set()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process and not self._ended.is_set() else 0

    def start(self) -> int:
        """Start; a oneshot unit is waited for and its exit code returned."""
        if self.unit.oneshot:
            self.code = self._run_all()
            self._ended.set()
            return self.code
        threading.Thread(target=self._keep, daemon=True).start()
        return 0

    def stop(self) -> None:
        """SIGTERM to the main process alone (the kubelet's KillMode), SIGKILL after 5 s."""
        self._stopping.set()
        if self._process and not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            if not self._ended.wait(_STOP_SECONDS):
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                self._ended.wait(_STOP_SECONDS)

    def _keep(self) -> None:
        reported = False
        while not self._stopping.is_set():
            self.code = self._run_all()
            if self._stopping.is_set() or not self.unit.restart:
                break
            if not reported and self.code:
                say(f"systemd: {self.unit.name}.service: Main process exited, code={self.code}")
                reported = True
            self._stopping.wait(_RESTART_SECONDS)
        self._ended.set()

    def _run_all(self) -> int:
        try:
            environment = units.environment_of(self.unit)
        except OSError as error:
            say(f"systemd: {error}")
            return 1
        _LOGS.mkdir(parents=True, exist_ok=True)
        for command in (*self.unit.before, *self.unit.commands):
            words = units.arguments(command, environment)
            with (_LOGS / f"{self.unit.name}.log").open("ab") as log:
                try:
                    self._process = subprocess.Popen(  # noqa: S603  (the unit's own command)
                        words,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=python_environment() | environment,
                        cwd="/",
                        start_new_session=True,
                    )
                except OSError as error:
                    say(f"systemd: {self.unit.name}.service: {words[0]}: {error.strerror}")
                    return 203
            if (code := self._process.wait()) and not command.startswith("-"):
                return code
        return 0


class _Timer:
    """One running timer: a thread that starts its service when it elapses."""

    def __init__(self, timer: units.Timer, start: Callable[[str], object]) -> None:
        self._timer = timer
        self._start = start
        self._stopping = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Stop the timer; its running service continues."""
        self._stopping.set()

    def _run(self) -> None:
        timer = self._timer
        pause = timer.after_start
        while pause is not None and not self._stopping.wait(pause):
            began = time.monotonic()
            # A oneshot service has ended when this returns.
            self._start(timer.service)
            pause = timer.after_end
            if timer.after_begin is not None:
                rest = max(0.0, began + timer.after_begin - time.monotonic())
                pause = rest if pause is None else min(pause, rest)


class Services:
    """All units of the machine. Methods may be called from several threads."""

    def __init__(self) -> None:
        self._timers: dict[str, _Timer] = {}
        self._running: dict[str, _Service] = {}
        self._lock = threading.RLock()

    def boot(self) -> None:
        """Start every enabled unit and answer `systemctl`."""
        for name, text in base_units().items():
            path = units.UNIT_FOLDERS[1] / f"{name}.service"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        SOCKET.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(SOCKET))
        listener.listen(16)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        files = {link.stem: _unit_file(link.stem) for link in _WANTS.glob("*.service")}
        for name in units.boot_order(
            {name: "" if file is None else file.read_text("utf-8") for name, file in files.items()}
        ):
            self.systemctl(["start", name])
        for link in sorted(_TIMERS.glob("*.timer")):
            self.systemctl(["start", link.name])

    def systemctl(self, words: Sequence[str]) -> Reply:
        """Do what `systemctl WORDS` does."""
        verb, names, now = "", [], False
        for word in words:
            if word == "--now":
                now = True
            elif word.startswith("-"):
                continue
            elif not verb:
                verb = word
            else:
                names.append(word.removesuffix(".service"))
        if verb in {"daemon-reload", "daemon-reexec", "reset-failed", "preset", ""}:
            return Reply()
        if verb in {"restart", "start"} and not names:
            return Reply(code=1, text="Too few arguments.")
        replies = [self._one(verb, name, now=now) for name in names]
        return Reply(
            code=max((reply.code for reply in replies), default=0),
            text="\n".join(reply.text for reply in replies if reply.text),
        )

    def _one(self, verb: str, name: str, *, now: bool) -> Reply:
        """Apply one systemctl verb to one unit."""
        if name.endswith(".timer"):
            return self._one_timer(verb, name.removesuffix(".timer"), now=now)
        questions = {"is-active": self._is_active, "is-enabled": self._is_enabled}
        if verb in questions:
            return questions[verb](name)
        unit = self._unit(name)
        if unit is None:
            code = {"mask": 0, "status": _NOT_UNIT_STATUS}.get(verb, _NO_UNIT)
            text = f"Failed to {verb} {name}.service: Unit {name}.service not found."
            return Reply(code=code, text=text if code else "")
        if verb == "enable":
            _WANTS.mkdir(parents=True, exist_ok=True)
            link = _WANTS / f"{name}.service"
            if not link.is_symlink():
                link.symlink_to(f"/etc/systemd/system/{name}.service")
            return self._start(unit) if now else Reply()
        if verb in {"disable", "mask"}:
            (_WANTS / f"{name}.service").unlink(missing_ok=True)
            return self._stop(name) if now else Reply()
        return self._power(verb, unit)

    def _one_timer(self, verb: str, name: str, *, now: bool) -> Reply:
        path = units.UNIT_FOLDERS[0] / f"{name}.timer"
        link = _TIMERS / path.name
        if verb == "is-enabled":
            enabled = link.is_symlink()
            return Reply(code=0 if enabled else 1, text="enabled" if enabled else "disabled")
        if verb == "is-active":
            active = name in self._timers
            return Reply(code=0 if active else _NOT_ACTIVE, text="active" if active else "inactive")
        if not path.is_file():
            text = f"Failed to {verb} {path.name}: Unit {path.name} not found."
            return Reply(code=_NO_UNIT, text=text)
        if verb == "enable":
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(path)
        if verb == "disable":
            link.unlink(missing_ok=True)
        if verb in {"stop", "restart"} or (verb == "disable" and now):
            self._stop_timer(name)
        if verb in {"start", "restart"} or (verb == "enable" and now):
            return self._start_timer(name, path)
        harmless = {"enable", "disable", "stop", "status", "show", "cat"}
        return Reply() if verb in harmless else Reply(code=1, text=f"Unknown command verb {verb}.")

    def _start_timer(self, name: str, path: Path) -> Reply:
        with self._lock:
            if name in self._timers:
                return Reply()
            try:
                timer = units.parse_timer(name, path.read_text("utf-8"))
            except ValueError as error:
                return Reply(code=1, text=f"Failed to start {path.name}: {error}.")
            self._timers[name] = _Timer(
                timer, lambda service: self._one("start", service, now=True)
            )
        return Reply()

    def _stop_timer(self, name: str) -> None:
        with self._lock:
            timer = self._timers.pop(name, None)
        if timer is not None:
            timer.stop()

    def _power(self, verb: str, unit: units.Unit) -> Reply:
        if verb == "status":
            active = self._is_active(unit.name)
            return Reply(code=active.code, text=f"● {unit.name}.service\n     {active.text}")
        if verb in {"try-restart", "condrestart"}:
            verb = "restart" if unit.name in self._running else "show"
        if verb in {"stop", "kill", "restart", "reload", "reload-or-restart"}:
            self._stop(unit.name)
        if verb in {"start", "restart", "reload", "reload-or-restart"}:
            return self._start(unit)
        harmless = {"stop", "kill", "show", "cat", "unmask", "list-units", "list-unit-files"}
        return Reply() if verb in harmless else Reply(code=1, text=f"Unknown command verb {verb}.")

    def _is_active(self, name: str) -> Reply:
        with self._lock:
            service = self._running.get(name)
        if service is not None and service.active:
            return Reply(text="active")
        return Reply(code=_NOT_ACTIVE, text="inactive")

    @staticmethod
    def _is_enabled(name: str) -> Reply:
        enabled = (_WANTS / f"{name}.service").is_symlink()
        return Reply(code=0 if enabled else 1, text="enabled" if enabled else "disabled")

    def _unit(self, name: str) -> units.Unit | None:
        path = _unit_file(name)
        if path is None:
            return None
        drop_ins = [
            extra
            for base in reversed(units.UNIT_FOLDERS)
            for extra in sorted((base / f"{name}.service.d").glob("*.conf"))
        ]
        texts = [file.read_text("utf-8") for file in (path, *drop_ins)]
        try:
            return units.parse(name, texts)
        except ValueError as error:
            say(f"systemd: {error}")
        return None

    def _start(self, unit: units.Unit) -> Reply:
        # Outside of the lock, because a required oneshot service is waited for.
        for required in unit.requires:
            if self._is_active(required).code and self._one("start", required, now=True).code:
                say(f"systemd: Dependency failed for {unit.name}.service.")
                return Reply(
                    code=1,
                    text=f"A dependency job for {unit.name}.service failed. See "
                    f"/var/log/machine/{required}.log.",
                )
        if not unit.is_due:
            say(f"systemd: {unit.name}.service: skipped because of an unmet condition check.")
            return Reply()
        with self._lock:
            present = self._running.get(unit.name)
            if present is not None and present.active and not unit.oneshot:
                return Reply()
            service = _Service(unit)
            self._running[unit.name] = service
        if code := service.start():
            return Reply(
                code=1,
                text=f"Job for {unit.name}.service failed because the control process exited with "
                f"error code {code}. See /var/log/machine/{unit.name}.log.",
            )
        return Reply()

    def _stop(self, name: str) -> Reply:
        with self._lock:
            service = self._running.pop(name, None)
        if service is not None:
            service.stop()
        return Reply()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            request: dict[str, Any] = json.loads(stream.readline() or b"{}")
            reply = self.systemctl(request.get("systemctl") or [])
            stream.write(json.dumps({"code": reply.code, "text": reply.text}).encode() + b"\n")


def _unit_file(name: str) -> Path | None:
    paths = (folder / f"{name}.service" for folder in units.UNIT_FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def reap_orphans() -> None:
    """Reap orphans in an endless loop. Children of ours have waiters of their own."""
    before = 0
    while True:
        time.sleep(1)
        with contextlib.suppress(ChildProcessError):
            waiting = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if waiting is None:
                before = 0
            elif waiting.si_pid == before:
                os.waitpid(before, os.WNOHANG)
                before = 0
            else:
                before = waiting.si_pid
