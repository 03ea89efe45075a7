from __future__ import annotations

import base64
import gzip

import pytest
import yaml

from localcloud.machines.guest.cloud_init.cloudconfig import UserDataError, decode, parse

pytestmark = pytest.mark.unit


def cloud_config(document: object) -> bytes:
    return b"#cloud-config\n" + yaml.safe_dump(document).encode()


def test_each_encoding_of_a_written_file_is_undone() -> None:
    packed = base64.b64encode(gzip.compress(b"packed")).decode()
    config = parse(
        cloud_config(
            {
                "write_files": [
                    {"path": "/a", "content": "plain"},
                    {"path": "/b", "content": base64.b64encode(b"b").decode(), "encoding": "b64"},
                    {"path": "/c", "content": packed, "encoding": "gz+b64"},
                ]
            }
        )
    )
    assert [file.content for file in config.files] == [b"plain", b"b", b"packed"]


def test_a_file_is_readable_by_all_unless_its_permissions_say_else() -> None:
    config = parse(
        cloud_config(
            {"write_files": [{"path": "/a"}, {"path": "/b", "permissions": "0600"}]},
        )
    )
    assert [file.mode for file in config.files] == [0o644, 0o600]


def test_runcmd_keeps_order_and_quotes_lists_only() -> None:
    config = parse(cloud_config({"runcmd": ["echo $HOME", ["echo", "$HOME", "a b"]]}))
    assert config.run_script == "#!/bin/sh\necho $HOME\necho '$HOME' 'a b'\n"


def test_a_script_as_user_data_is_run_as_it_is() -> None:
    assert parse(b"#!/bin/bash\necho hello\n").run_script == "#!/bin/bash\necho hello\n"


def test_user_data_in_gzip_is_unpacked() -> None:
    packed = base64.b64encode(gzip.compress(b"#cloud-config\n{}\n")).decode()
    assert decode(packed) == b"#cloud-config\n{}\n"


def test_keys_that_are_not_acted_on_are_named() -> None:
    assert parse(cloud_config({"ntp": {}, "packages": []})).ignored_keys == ("ntp", "packages")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"cloud-config\n{}", "first line must be #cloud-config"),
        (b"#cloud-config\na: [", "Invalid format in line"),
        (b"#cloud-config\n- a\n", "got list"),
        (cloud_config({"write_files": [{"content": "x"}]}), "write_files.0 has no path"),
        (cloud_config({"write_files": [{"path": "a"}]}), "path is not absolute"),
        (cloud_config({"write_files": [{"path": "/a", "permissions": "rw"}]}), "not octal"),
        (cloud_config({"write_files": [{"path": "/a", "encoding": "hex"}]}), "'hex' is unknown"),
        (
            cloud_config({"write_files": [{"path": "/a", "content": "%", "encoding": "b64"}]}),
            "not base64",
        ),
        (cloud_config({"runcmd": [{"echo a": "b"}]}), "runcmd.0 is a dict"),
    ],
)
def test_bad_user_data_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(UserDataError, match=reason):
        parse(raw)


def test_all_problems_of_a_cloud_config_are_reported_at_once() -> None:
    with pytest.raises(UserDataError) as caught:
        parse(cloud_config({"write_files": [{"path": "a"}, {}], "bootcmd": "x"}))
    assert all(
        part in str(caught.value) for part in ("write_files.0", "write_files.1", "bootcmd is not")
    )


def test_user_data_that_is_not_base64_is_refused() -> None:
    with pytest.raises(UserDataError, match="not base64"):
        decode("#cloud-config")
