from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


def stack_with_pulumi(tmp_path: Path, script: str) -> PulumiStack:
    """A stack whose `pulumi` is a shell script that also keeps what it was called with."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    pulumi = bin_dir / "pulumi"
    pulumi.write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >> {tmp_path}/calls\n{script}\n')
    pulumi.chmod(pulumi.stat().st_mode | stat.S_IXUSR)
    return PulumiStack(
        name="local",
        runner=Runner(env={**os.environ, "PATH": f"{bin_dir}:/usr/bin:/bin"}, cwd=tmp_path),
        backend=tmp_path / "state",
        config_file=tmp_path / "Pulumi.copy.yaml",
    )


def lock(tmp_path: Path, pid: object) -> None:
    folder = tmp_path / "state/.pulumi/locks/organization/spiderpool-alicloud/local"
    folder.mkdir(parents=True)
    (folder / "0f7e.json").write_text(json.dumps({"pid": pid}))


def test_a_lock_whose_process_is_gone_counts_as_left_behind(tmp_path: Path) -> None:
    stack = stack_with_pulumi(tmp_path, "true")
    assert stack.lock() is None
    lock(tmp_path, 2**22 + 1)
    left_behind = stack.lock()
    assert left_behind is not None
    assert not left_behind.alive


def test_a_lock_whose_process_id_now_belongs_to_another_program_counts_as_left_behind(
    tmp_path: Path,
) -> None:
    stack = stack_with_pulumi(tmp_path, "true")
    lock(tmp_path, os.getpid())
    left_behind = stack.lock()
    assert left_behind is not None
    assert not left_behind.alive


def test_a_wrong_passphrase_is_one_clear_sentence(tmp_path: Path) -> None:
    stack = stack_with_pulumi(tmp_path, 'echo "error: incorrect passphrase" >&2; exit 1')
    with pytest.raises(OperationError, match="passphrase does not open this stack") as caught:
        stack.outputs()
    assert caught.value.code is ExitCode.REFUSED


def test_a_failed_update_fails_and_keeps_pulumis_own_words(tmp_path: Path) -> None:
    stack = stack_with_pulumi(tmp_path, "exit 255")
    with pytest.raises(OperationError, match="pulumi up failed") as caught:
        stack.up(deadline=20)
    assert caught.value.code is ExitCode.FAILED


def test_the_update_is_the_one_a_person_would_type(tmp_path: Path) -> None:
    stack = stack_with_pulumi(tmp_path, "true")
    stack.up(deadline=20)
    call = (tmp_path / "calls").read_text().split()
    assert call[0] == "up"
    assert {"--yes", "--stack", "local", "--config-file"} <= set(call)


def test_outputs_are_masked_unless_asked_for(tmp_path: Path) -> None:
    stack = stack_with_pulumi(tmp_path, 'echo "{\\"vpcId\\": \\"vpc-1\\"}"')
    assert stack.outputs() == {"vpcId": "vpc-1"}
    stack.outputs(secrets=True)
    masked, clear = (tmp_path / "calls").read_text().splitlines()
    assert "--show-secrets" not in masked
    assert "--show-secrets" in clear


def test_operations_without_an_end_are_named(tmp_path: Path) -> None:
    urn = "urn:pulumi:local::spiderpool-alicloud::a:b:C$alicloud:vpc/network:Network::guide"
    state = (
        '{"deployment": {"resources": [{}], "pending_operations": '
        f'[{{"type": "creating", "resource": {{"urn": "{urn}"}}}}, {{}}]}}}}'
    )
    stack = stack_with_pulumi(tmp_path, f"echo '{state}'")
    assert stack.resource_count() == 1
    named, unnamed = stack.pending_operations()
    assert named == "creating alicloud:vpc/network:Network guide"
    assert unnamed.startswith("changing")
