// Package client takes the place of Alibaba's gateway for OSS (object storage),
// whose version upstream asks for is not served by the module proxy.
// The resources mapped in this plugin never reach it.
package client

import (
	"errors"

	spi "github.com/alibabacloud-go/alibabacloud-gateway-spi/client"
)

// NewClient always fails: there is no OSS in this build of the provider.
func NewClient() (spi.ClientInterface, error) {
	return nil, errors.New("this build of the Alibaba Cloud provider leaves object storage (OSS) out; use the official plugin for OSS resources")
}
