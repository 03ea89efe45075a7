// Command terraform-provider-alicloud serves the provider that pulumi-resource-alicloud wraps, for
// OpenTofu. The benchmark compares both engines with it.
//
// It is built from the same part of the same upstream module (../alicloud/prune), so both carry the
// same resources, and the same waits.
package main

import (
	"github.com/aliyun/terraform-provider-alicloud/alicloud"
	"github.com/hashicorp/terraform-plugin-sdk/plugin"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: alicloud.Provider})
}
