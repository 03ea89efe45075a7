"""The command that leaves out of the upstream provider what no mapped resource uses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from toolchain.builds.golang import find_go
from toolchain.places import SOURCES

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

UPSTREAM: Final = {
    "go.mod": "module github.com/aliyun/terraform-provider-alicloud\n",
    "alicloud/provider.go": """package alicloud

import (
	"fmt"
	"strings"
)

func Provider() map[string]interface{} {
	provider := &schema{
		DataSourcesMap: map[string]int{"alicloud_zones": zones(), "alicloud_banks": banks()},
		ResourcesMap: map[string]int{
			"alicloud_bucket": bucket(),
			"alicloud_vpc":    vpc(),
		},
	}
	fmt.Println(provider)
	return nil
}

func init() { counted = 1 }
""",
    "alicloud/bucket.go": """package alicloud

import "strings"

func bucket() int { return len(strings.Repeat(onlyOfBuckets, 2)) }

const onlyOfBuckets = "b"
""",
    "alicloud/vpc.go": """package alicloud

import (
	"strings"
	r_kvstore "github.com/aliyun/alibaba-cloud-sdk-go/services/r-kvstore"
)

// vpc is used.
func vpc() int {
	service := VpcService{}
	return service.describe() + len(first)
}

func zones() int { return 1 }

func banks() int { return len(strings.ToUpper("x")) }

type VpcService struct{ client *AliyunClient }

func (s VpcService) describe() int { return s.client.With(state("x")) }

func (s VpcService) neverCalled() int { return r_kvstore.Version }

// state has a method that only an interface calls.
type state string

func (s state) GoString() string { return string(s) }

type schema struct{ ResourcesMap, DataSourcesMap map[string]int }

const (
	first = "f"
	second
)

var counted, uncounted = 0, 0

func unused() {}
""",
    "alicloud/helper/helper.go": "package helper\n\nfunc Unused() {}\n",
    "alicloud/connectivity/client.go": """package connectivity

import (
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/vpc"
)

type AliyunClient struct {
	ecsconn *ecs.Client
	vpcconn *vpc.Client
}

func (c *AliyunClient) With(one interface{}) int { c.vpcconn = nil; return 0 }

func (c *AliyunClient) WithEcs() { c.ecsconn = nil }
""",
}
MAPPING: Final = {
    "resources": {"alicloud_vpc": "alicloud:vpc/network:Network"},
    "dataSources": {"alicloud_zones": "alicloud:index/getZones:getZones"},
}


def prune(
    folder: Path, mapping: Mapping[str, Mapping[str, str]]
) -> subprocess.CompletedProcess[str]:
    for name, text in UPSTREAM.items():
        path = folder / "upstream" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "mapping.json").write_text(json.dumps(mapping), encoding="utf-8")
    go = find_go(shutil.which("go"))
    arguments = ("-mapping", str(folder / "mapping.json"), "-from", str(folder / "upstream"))
    return subprocess.run(  # noqa: S603 - our own command
        [go.path, "run", "./prune", *arguments, "-to", str(folder / "pruned")],
        cwd=SOURCES / "alicloud",
        env=go.environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Each file that is kept of a small provider, by its path."""
    folder = tmp_path_factory.mktemp("provider")
    done = prune(folder, MAPPING)
    assert done.returncode == 0, done.stderr
    kept = folder / "pruned"
    return {
        str(path.relative_to(kept)): path.read_text(encoding="utf-8")
        for path in kept.rglob("*")
        if path.is_file()
    }


def test_the_mapped_entries_and_what_they_reach_are_kept(pruned: Mapping[str, str]) -> None:
    assert '"alicloud_vpc":    vpc()' in pruned["alicloud/provider.go"]
    assert '"alicloud_zones": zones()' in pruned["alicloud/provider.go"]
    for kept in ("// vpc is used.\nfunc vpc()", "func zones()", ") describe()", "type VpcService"):
        assert kept in pruned["alicloud/vpc.go"]
    assert "With(one" in pruned["alicloud/connectivity/client.go"]


def test_other_entries_and_what_only_they_reach_are_left_out(pruned: Mapping[str, str]) -> None:
    assert sorted(pruned) == [
        "alicloud/connectivity/client.go",
        "alicloud/provider.go",
        "alicloud/vpc.go",
        "go.mod",
    ]
    everything = "".join(pruned.values())
    for left_out in (
        "bucket",
        "banks",
        "neverCalled",
        "unused",
        "r_kvstore",
        "WithEcs",
        "services/ecs",
    ):
        assert left_out not in everything


def test_a_field_of_the_client_goes_with_its_sdk(pruned: Mapping[str, str]) -> None:
    client = pruned["alicloud/connectivity/client.go"]
    assert "vpcconn *vpc.Client" in client
    assert "ecsconn" not in client


def test_a_method_that_an_interface_may_call_stays_with_its_type(pruned: Mapping[str, str]) -> None:
    assert "GoString()" in pruned["alicloud/vpc.go"]


def test_constants_that_count_stay_together_and_start_up_code_stays(
    pruned: Mapping[str, str],
) -> None:
    assert "first = " in pruned["alicloud/vpc.go"]
    assert "second" in pruned["alicloud/vpc.go"]
    assert "func init() { counted = 1 }" in pruned["alicloud/provider.go"]
    assert "var counted, uncounted = 0, 0" in pruned["alicloud/vpc.go"]


def test_the_module_keeps_what_it_requires(pruned: Mapping[str, str]) -> None:
    assert pruned["go.mod"] == UPSTREAM["go.mod"]


def test_imports_that_nothing_uses_any_more_are_left_out(pruned: Mapping[str, str]) -> None:
    assert "import" not in pruned["alicloud/vpc.go"]
    assert pruned["alicloud/provider.go"].count("import ") == 1


def test_a_mapped_type_that_upstream_does_not_have_is_named(tmp_path: Path) -> None:
    done = prune(tmp_path, {**MAPPING, "resources": {"alicloud_nothing": "alicloud:x:Y"}})
    assert done.returncode == 1
    assert "upstream has no alicloud_nothing" in done.stderr
