from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from operations.engine.environment import (
    LOCAL_PASSPHRASE,
    PARALLEL,
    env_file,
    local_variables,
    run_environment,
    users_environment,
    write_trust_bundle,
)
from operations.engine.places import Places

pytestmark = pytest.mark.unit


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(home=tmp_path / "with space" / ".local", tools=tmp_path / "tools")


def test_the_env_file_sets_exactly_what_pulumi_and_kubectl_need(places: Places) -> None:
    names = {
        line.removeprefix("export ").partition("=")[0]
        for line in env_file(places).splitlines()
        if not line.startswith("#")
    }
    assert names == {
        "PATH",
        "PULUMI_HOME",
        "PULUMI_BACKEND_URL",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_SKIP_UPDATE_CHECK",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
        "PULUMI_IGNORE_AMBIENT_PLUGINS",
        "PULUMI_PARALLEL",
        "KUBECONFIG",
        "SSL_CERT_FILE",
    }


def test_a_shell_that_sources_the_env_file_gets_the_values_even_with_spaces_in_paths(
    places: Places,
) -> None:
    places.home.mkdir(parents=True)
    places.env.write_text(env_file(places))
    shown = subprocess.run(  # noqa: S603 - bash on a file of our own
        [
            "/bin/bash",
            "-c",
            'source "$0"; printf "%s\\n" "$KUBECONFIG" "$PULUMI_BACKEND_URL" "$PATH"',
            str(places.env),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    kubeconfig, backend, path = shown.stdout.splitlines()
    assert kubeconfig == str(places.kubeconfig)
    assert backend == f"file://{places.backend}?metadata=skip"
    assert path.startswith(f"{places.bin}:")
    assert path.endswith(":/usr/bin:/bin")


def test_a_run_never_sees_the_callers_account_backend_or_cluster(places: Places) -> None:
    outer = {
        "PATH": "/usr/bin",
        "HOME": "/home/somebody",
        "ALICLOUD_ACCESS_KEY": "fake",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "fake",
        "PULUMI_ACCESS_TOKEN": "fake",
        "PULUMI_CONFIG_PASSPHRASE": "another",
        "KUBECONFIG": "/home/somebody/.kube/config",
    }
    seen = run_environment(places, outer)
    assert seen["HOME"] == "/home/somebody"
    assert "fake" not in seen.values()
    assert seen["PULUMI_CONFIG_PASSPHRASE"] == LOCAL_PASSPHRASE
    assert seen["KUBECONFIG"] == str(places.kubeconfig)


def test_pulumi_may_not_download_a_plugin_behind_the_toolchains_back(places: Places) -> None:
    assert local_variables(places)["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_trust_bundle_holds_the_public_cas_and_the_private_one(
    places: Places, tmp_path: Path
) -> None:
    public = tmp_path / "public.pem"
    public.write_text("PUBLIC\n")
    places.ca.parent.mkdir(parents=True)
    places.ca.write_text("PRIVATE\n")
    write_trust_bundle(places, public=public)
    assert places.trust_bundle.read_text() == "PUBLIC\n\nPRIVATE\n"


def test_a_users_stack_gets_the_official_plugin_and_not_the_stand_in(
    places: Places, tmp_path: Path
) -> None:
    """Pulumi prefers a plugin on PATH to the one that `pulumi plugin install` unpacked."""
    plugin = "pulumi-resource-kubernetes"
    an_executable(places.bin / plugin)
    an_executable(tmp_path / "official" / "bin" / plugin)
    linked = tmp_path / "linked"
    linked.symlink_to(places.bin)
    for path in (
        f"{places.bin}:/usr/bin",
        f"/usr/bin:{places.bin}/",
        f"{linked}:/usr/bin",
    ):
        seen = users_environment(places, {"PATH": path})
        assert shutil.which(plugin, path=seen["PATH"]) is None
    seen = users_environment(places, {"PATH": f"{places.bin}:{tmp_path / 'official' / 'bin'}"})
    assert shutil.which(plugin, path=seen["PATH"]) == str(tmp_path / "official" / "bin" / plugin)


def test_a_shell_with_the_env_file_sourced_reaches_nothing_of_the_local_stack(
    places: Places,
) -> None:
    own = {"PATH": "/usr/bin:/bin", "HOME": "/home/somebody", "ALICLOUD_ACCESS_KEY": "fake"}
    sourced = {**own, **local_variables(places), "PATH": f"{places.bin}:{own['PATH']}"}
    assert users_environment(places, sourced) == {**own, "PULUMI_PARALLEL": str(PARALLEL)}


def test_the_env_file_of_another_local_cloud_is_recognised_too(
    places: Places, tmp_path: Path
) -> None:
    second = Places(home=tmp_path / "second", tools=places.tools)
    own = {"PATH": "/usr/bin:/bin", "HOME": "/home/somebody"}
    sourced = {**own, **local_variables(second), "PATH": f"{places.bin}:{own['PATH']}"}
    assert users_environment(places, sourced) == {**own, "PULUMI_PARALLEL": str(PARALLEL)}


def test_what_is_the_users_own_stays(places: Places) -> None:
    own = {
        "PATH": "/home/somebody/.pulumi/bin:/usr/bin",
        "PULUMI_HOME": "/home/somebody/.pulumi",
        "PULUMI_BACKEND_URL": "s3://states",
        "PULUMI_CONFIG_PASSPHRASE": "fake-passphrase",
        "PULUMI_PARALLEL": "16",
        "KUBECONFIG": "/home/somebody/.kube/config",
        "SSL_CERT_FILE": "/etc/ssl/company.pem",
        "ALICLOUD_ACCESS_KEY": "fake",
    }
    assert users_environment(places, own) == own


def test_one_variable_of_the_local_stack_that_was_set_by_hand_goes_too(places: Places) -> None:
    seen = users_environment(places, {"PATH": "/bin", "KUBECONFIG": str(places.kubeconfig)})
    assert seen == {"PATH": "/bin", "PULUMI_PARALLEL": str(PARALLEL)}


def an_executable(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
