"""The administrator's kubeconfig."""

from __future__ import annotations

from base64 import b64decode

import pytest
import yaml

from planning.nodes.endpoint import private_address
from planning.nodes.kubeconfig import kubeconfig
from planning.read import plan_from
from tests.clusters import fake_secrets, three_control_planes
from tests.planning.documents import stack_plan

pytestmark = pytest.mark.unit


def test_it_names_one_cluster_one_user_and_uses_them() -> None:
    text = kubeconfig(stack_plan("local"), secrets=fake_secrets(), server_address="127.66.0.1")
    document = yaml.safe_load(text)
    (cluster,), (user,), (context,) = document["clusters"], document["users"], document["contexts"]
    assert cluster["cluster"]["server"] == "https://127.66.0.1:6443"
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert document["current-context"] == context["name"] == "guide"


def test_it_holds_the_ca_and_the_administrators_pair() -> None:
    secrets = fake_secrets()
    text = kubeconfig(stack_plan("local"), secrets=secrets, server_address="127.66.0.1")
    document = yaml.safe_load(text)
    user = document["users"][0]["user"]
    assert b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]).decode() == (
        secrets.ca.certificate
    )
    assert b64decode(user["client-certificate-data"]).decode() == secrets.admin.certificate
    assert b64decode(user["client-key-data"]).decode() == secrets.admin.key


@pytest.mark.parametrize(
    ("public", "address", "name"),
    [
        pytest.param(False, "10.0.15.200", "api.small.internal", id="a private load balancer"),
        pytest.param(False, "10.0.0.16", None, id="a control plane itself"),
        pytest.param(True, "47.98.1.2", None, id="a public address"),
    ],
)
def test_the_certificate_of_a_load_balancer_is_checked_for_the_endpoints_name(
    *, public: bool, address: str, name: str | None
) -> None:
    document = three_control_planes()
    document["kubernetes"]["endpoint"] = {
        "public": public,
        "allowedCidrs": ["203.0.113.0/24"] if public else [],
    }
    plan = plan_from(document)
    assert private_address(plan.control_planes[0]) == "10.0.0.16"
    text = kubeconfig(plan, secrets=fake_secrets(), server_address=address)
    assert yaml.safe_load(text)["clusters"][0]["cluster"].get("tls-server-name") == name


def test_no_key_of_a_ca_is_in_it() -> None:
    secrets = fake_secrets()
    text = kubeconfig(stack_plan("local"), secrets=secrets, server_address="127.66.0.1")
    values = (secrets.ca.key, secrets.front_proxy_ca.key, secrets.service_account_key)
    decoded = b"".join(b64decode(word) for word in text.split() if len(word) > 100).decode()
    assert not [value for value in values if value in decoded]
