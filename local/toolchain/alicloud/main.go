// Command pulumi-resource-alicloud is the Alibaba Cloud provider of Pulumi, for machines
// that cannot download the published plugin.
//
// It wraps the same upstream provider with the same bridge as the plugin that
// pulumi-alicloud 3.105.0 asks for. mapping.json names the resources and data sources it
// carries, under the tokens of the published SDK; the tests hold it against that SDK.
// The call "properties" prints, as JSON, every property the bridge makes of them.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

// version is stamped by the linker; the engine compares it with the SDK's own.
var version = "0.0.0-dev"

func main() {
	info, err := provider()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "properties" {
		if err := printProperties(os.Stdout, info); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// Without a package schema the bridge checks inputs by the upstream schema alone.
	tfbridge.Main("alicloud", version, info, nil)
}
