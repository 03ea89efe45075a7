package main

import (
	"encoding/json"
	"io"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// property is one property as the bridge shows it to a Pulumi program.
type property struct {
	// Many is true for a list or set that stays one, false for a single value.
	Many bool `json:"many"`
	// Input is true when a program may set it.
	Input bool `json:"input"`
	// Fields are those of a nested object; absent for plain values.
	Fields map[string]property `json:"fields,omitempty"`
}

// surface is everything that the plugin shows: by token, then by property name.
type surface struct {
	Version     string                         `json:"version"`
	Config      map[string]property            `json:"config"`
	Resources   map[string]map[string]property `json:"resources"`
	DataSources map[string]map[string]property `json:"dataSources"`
}

func printProperties(out io.Writer, info tfbridge.ProviderInfo) error {
	shown := surface{
		Version:     info.Version,
		Config:      properties(info.P.Schema(), info.Config),
		Resources:   map[string]map[string]property{},
		DataSources: map[string]map[string]property{},
	}
	for name, resource := range info.Resources {
		shown.Resources[string(resource.Tok)] = properties(info.P.ResourcesMap().Get(name).Schema(), resource.Fields)
	}
	for name, source := range info.DataSources {
		shown.DataSources[string(source.Tok)] = properties(info.P.DataSourcesMap().Get(name).Schema(), source.Fields)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(shown)
}

// properties names a schema's fields as the bridge does. Fields that upstream has
// removed, and keeps only to say so, are left out of SDKs and so here.
func properties(fields shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo) map[string]property {
	named := map[string]property{}
	fields.Range(func(name string, field shim.Schema) bool {
		if field.Removed() != "" {
			return true
		}
		info := infos[name]
		shown := property{
			Many: (field.Type() == shim.TypeList || field.Type() == shim.TypeSet) &&
				!tfbridge.IsMaxItemsOne(field, info),
			Input: field.Optional() || field.Required(),
		}
		if nested, ok := field.Elem().(shim.Resource); ok {
			var nestedInfos map[string]*tfbridge.SchemaInfo
			if info != nil && info.Elem != nil {
				nestedInfos = info.Elem.Fields
			}
			shown.Fields = properties(nested.Schema(), nestedInfos)
		}
		named[tfbridge.TerraformToPulumiNameV2(name, fields, infos)] = shown
		return true
	})
	return named
}
