"""The commands of docs/quickstart.md, read from the page, on the local stack that `up` deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from config.profiles import merge
from operations.engine.places import ROOT
from tests.engine.local_cloud import CLUSTER, Done, SecondCloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")


def fenced(step: str, language: str) -> list[str]:
    """The blocks of one step, by the beginning of its heading."""
    section = re.search(rf"^## {step}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"The page has no step {step!r}."
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", section[0], re.MULTILINE | re.DOTALL)


def run(cloud: SecondCloud, block: str) -> Done:
    """The block as one shell script, with this cloud's environment and stack file.

    `pulumi up` answers yes: on the page a person does.
    """
    script = re.sub(r"^source .*$", "", block, flags=re.MULTILINE)
    script = script.replace("--config stacks/Pulumi.local.yaml", f"--config {cloud.config_file}")
    script = re.sub(
        r"^pulumi (preview|up) ",
        rf"pulumi \1 --config-file {cloud.config_file} ",
        script,
        flags=re.MULTILINE,
    ).replace("pulumi up ", "pulumi up --yes ")
    done = cloud.run("bash", "-euc", script, deadline=300)
    assert done.status == 0, cloud.explain(done)
    return done


@contextmanager
def edited(cloud: SecondCloud, edit: str) -> Iterator[None]:
    before = cloud.config_file.read_text()
    document = yaml.safe_load(before)
    cluster = document["config"][CLUSTER]
    document["config"][CLUSTER] = merge(cluster, yaml.safe_load(edit))
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    try:
        yield
    finally:
        cloud.config_file.write_text(before)


def test_what_the_page_looks_at_is_there(deployed: SecondCloud) -> None:
    look, _ = fenced("3", "sh")
    out = run(deployed, look).out
    assert all(text in out for text in ("master", "worker", "worker-eth1", "ipPools"))


def test_pods_take_addresses_of_both_nics(deployed: SecondCloud) -> None:
    _, pods = fenced("3", "sh")
    done = run(deployed, pods)
    addresses = re.findall(r"\b(?:172\.31\.199|192\.168\.0)\.\d+\b", done.out)
    assert len(addresses) >= 4, done.transcript
    assert 'deployment.apps "web" deleted' in done.out


def test_the_edit_creates_one_security_rule(deployed: SecondCloud) -> None:
    (edit,) = fenced("4", "yaml")
    (commands,) = fenced("4", "sh")
    with edited(deployed, edit):
        done = run(deployed, commands)
    assert re.search(r"^ *\+ 1 created$", done.out, re.MULTILINE), done.transcript
    assert re.search(r"^ *~ 1 updated$", done.out, re.MULTILINE), done.transcript
    back = deployed.pulumi("up", "--yes", "--skip-preview")
    assert back.status == 0, deployed.explain(back)
    assert re.search(r"^ *- 1 deleted$", back.out, re.MULTILINE), back.transcript
