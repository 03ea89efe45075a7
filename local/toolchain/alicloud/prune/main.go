// Command prune writes the part of the upstream provider that this plugin uses.
//
// Upstream is one Go package with more than a thousand resources, and the compiler takes a package
// as a whole. The linker would drop most of it later only if nothing named it, but Provider names
// every resource. So this command copies the module, keeps the entries of Provider that
// mapping.json names, and then keeps only what these entries reach. It adds and changes no code.
// A declaration that is missing stops the compiler, so nothing is lost silently.
//
//	prune -go GO -mapping mapping.json -from UPSTREAM -to DIRECTORY
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/aliyun/terraform-provider-alicloud"

// packages are those of the module that the plugin needs, with their import paths.
var packages = map[string]string{
	"alicloud":              module + "/alicloud",
	"alicloud/connectivity": module + "/alicloud/connectivity",
	"alicloud/helper":       module + "/alicloud/helper",
}

func main() {
	goCommand := flag.String("go", "go", "the go command")
	mapping := flag.String("mapping", "mapping.json", "the resources and data sources to keep")
	from := flag.String("from", "", "the directory of the upstream module")
	to := flag.String("to", "", "the directory to write")
	flag.Parse()
	if err := run(*goCommand, *mapping, *from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "prune:", err)
		os.Exit(1)
	}
}

func run(goCommand, mapping, from, to string) error {
	entries, err := entriesOf(mapping)
	if err != nil {
		return err
	}
	names, err := packageNames(goCommand)
	if err != nil {
		return err
	}
	source := newSource(names)
	for directory := range packages {
		if err := source.add(filepath.Join(from, directory), directory); err != nil {
			return err
		}
	}
	if err := source.keepEntries(entries); err != nil {
		return err
	}
	source.reach()
	if err := source.write(to); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(from, "go.mod"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "go.mod"), text, 0o644)
}

// entriesOf returns the names of resources and data sources in mapping.json.
func entriesOf(path string) (map[string]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var mapping struct {
		Resources   map[string]string `json:"resources"`
		DataSources map[string]string `json:"dataSources"`
	}
	if err := json.Unmarshal(text, &mapping); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	entries := map[string]bool{}
	for name := range mapping.Resources {
		entries[name] = true
	}
	for name := range mapping.DataSources {
		entries[name] = true
	}
	return entries, nil
}

// packageNames asks the go command how the packages are called that upstream imports. An import
// path does not always end with the package's name.
func packageNames(goCommand string) (map[string]string, error) {
	output, err := exec.Command(
		goCommand, "list", "-deps", "-f", "{{.ImportPath}} {{.Name}}", module+"/alicloud",
	).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	names := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(output)), "\n") {
		path, name, _ := strings.Cut(line, " ")
		names[path] = name
	}
	return names, nil
}
