package main

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/aliyun/terraform-provider-alicloud/alicloud"
	"github.com/hashicorp/terraform-plugin-sdk/helper/schema"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv1 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v1"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

//go:embed mapping.json
var mappingJSON []byte

// mapping says which upstream types this plugin carries and what the SDK calls them.
type mapping struct {
	Resources   map[string]tokens.Type         `json:"resources"`
	DataSources map[string]tokens.ModuleMember `json:"dataSources"`
	// MaxItemsOne lists the collections that the published plugin treats as a single
	// object although upstream allows more. They were single when first published.
	MaxItemsOne map[string][]string `json:"maxItemsOne"`
}

// provider describes the upstream provider to the bridge.
func provider() (tfbridge.ProviderInfo, error) {
	var m mapping
	if err := json.Unmarshal(mappingJSON, &m); err != nil {
		return tfbridge.ProviderInfo{}, fmt.Errorf("mapping.json: %w", err)
	}
	upstream, ok := alicloud.Provider().(*schema.Provider)
	if !ok {
		return tfbridge.ProviderInfo{}, fmt.Errorf("upstream provider is a %T, not a *schema.Provider", alicloud.Provider())
	}
	for name := range m.Resources {
		if _, ok := upstream.ResourcesMap[name]; !ok {
			return tfbridge.ProviderInfo{}, fmt.Errorf("mapping.json: upstream has no resource %q", name)
		}
	}
	for name := range m.DataSources {
		if _, ok := upstream.DataSourcesMap[name]; !ok {
			return tfbridge.ProviderInfo{}, fmt.Errorf("mapping.json: upstream has no data source %q", name)
		}
	}
	info := tfbridge.ProviderInfo{
		P:           shimv1.NewProvider(upstream),
		Name:        "alicloud",
		DisplayName: "Alibaba Cloud",
		Version:     version,
		// The same environment variables the published plugin reads.
		Config: map[string]*tfbridge.SchemaInfo{
			"ecs_role_name": fromEnvironment("ALICLOUD_ECS_ROLE_NAME"),
			"profile":       fromEnvironment("ALICLOUD_PROFILE"),
			"region":        fromEnvironment("ALICLOUD_REGION"),
		},
		Resources:   map[string]*tfbridge.ResourceInfo{},
		DataSources: map[string]*tfbridge.DataSourceInfo{},
	}
	for name, token := range m.Resources {
		info.Resources[name] = &tfbridge.ResourceInfo{Tok: token, Fields: single(m.MaxItemsOne[name])}
	}
	for name, token := range m.DataSources {
		info.DataSources[name] = &tfbridge.DataSourceInfo{Tok: token}
	}
	// As published: a missing "name" is made from the resource's own name and a random tail.
	info.SetAutonaming(255, "-")
	return info, nil
}

func fromEnvironment(variable string) *tfbridge.SchemaInfo {
	return &tfbridge.SchemaInfo{Default: &tfbridge.DefaultInfo{EnvVars: []string{variable}}}
}

func single(fields []string) map[string]*tfbridge.SchemaInfo {
	infos := map[string]*tfbridge.SchemaInfo{}
	for _, field := range fields {
		infos[field] = &tfbridge.SchemaInfo{MaxItemsOne: tfbridge.True()}
	}
	return infos
}
