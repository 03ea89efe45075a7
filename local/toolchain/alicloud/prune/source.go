package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// A source is the Go code of a few packages, and what of it is kept.
//
// Names are compared as text, without types: a name that is used in kept code keeps every top-level
// declaration of that name, and every method of that name of a kept type. So more is kept than
// needed, never less.
type source struct {
	positions *token.FileSet
	names     map[string]string // import path → package name
	files     []*file
	// declared has the top-level declarations by name, and the fields of a type that is divided.
	declared map[string][]*part
	// methods has each method twice: by its own name and by the name of its type.
	methods map[string][]*part
	always  []*part
	// fields are those of the client.
	fields []*part
	used   map[string]bool
}

type file struct {
	directory, name string
	text            []byte
	syntax          *ast.File
	parts           []*part
	// cuts are stretches of text to leave out of parts that are kept.
	cuts []stretch
}

type stretch struct{ from, to token.Pos }

// A part is a top-level declaration, or one specification of a group that can be divided.
type part struct {
	file *file
	node ast.Node
	// keyword is written before a specification that is taken out of its group.
	keyword  string
	from, to token.Pos
	name     string
	// receiver is the type of a method.
	receiver string
	isKept   bool
}

func newSource(names map[string]string) *source {
	return &source{
		positions: token.NewFileSet(),
		names:     names,
		declared:  map[string][]*part{},
		methods:   map[string][]*part{},
		used:      map[string]bool{},
	}
}

// add reads the Go files of a directory, without tests.
func (s *source) add(path, directory string) error {
	names, err := filepath.Glob(filepath.Join(path, "*.go"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no Go files", path)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(s.positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := &file{directory: directory, name: filepath.Base(name), text: text, syntax: syntax}
		s.files = append(s.files, f)
		for _, declaration := range syntax.Decls {
			s.divide(f, declaration)
		}
	}
	return nil
}

// divide makes parts of a declaration and files them by name.
func (s *source) divide(f *file, declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		p := &part{file: f, node: d, from: start(d, d.Doc), to: d.End(), name: d.Name.Name}
		f.parts = append(f.parts, p)
		switch {
		case d.Recv != nil:
			p.receiver = typeName(d.Recv.List[0].Type)
			s.methods[p.name] = append(s.methods[p.name], p)
			s.methods[p.receiver] = append(s.methods[p.receiver], p)
		case p.name == "init" || p.name == "Provider":
			s.always = append(s.always, p)
		default:
			s.declared[p.name] = append(s.declared[p.name], p)
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return
		}
		if d.Tok == token.CONST || !d.Lparen.IsValid() {
			// Constants of a group may count with iota, so a group stays together.
			s.file(&part{file: f, node: d, from: start(d, d.Doc), to: d.End()}, d.Specs)
			return
		}
		for _, spec := range d.Specs {
			p := &part{file: f, node: spec, keyword: d.Tok.String() + " ", from: spec.Pos(), to: spec.End()}
			s.file(p, []ast.Spec{spec})
		}
	}
}

func (s *source) file(p *part, specs []ast.Spec) {
	p.file.parts = append(p.file.parts, p)
	for _, spec := range specs {
		switch one := spec.(type) {
		case *ast.TypeSpec:
			if structure, ok := one.Type.(*ast.StructType); ok && one.Name.Name == client {
				p.node = one.Name
				s.divideFields(p.file, structure)
			}
			s.declared[one.Name.Name] = append(s.declared[one.Name.Name], p)
		case *ast.ValueSpec:
			for _, name := range one.Names {
				if name.Name == "_" {
					s.always = append(s.always, p)
				}
				s.declared[name.Name] = append(s.declared[name.Name], p)
			}
		}
	}
}

// client is the type that has a field and a method for each product's API. It is divided: a field
// or method that nothing uses would keep a product's whole SDK.
const client = "AliyunClient"

// isDivided tells whether a type's methods are kept one by one, by name. These types have no method
// that is called by another name than its own, as an interface's would be.
func isDivided(name string) bool {
	return name == client || strings.HasSuffix(name, "Service") || strings.HasSuffix(name, "ServiceV2")
}

func (s *source) divideFields(f *file, structure *ast.StructType) {
	for _, field := range structure.Fields.List {
		p := &part{file: f, node: field, from: field.Pos(), to: field.End()}
		s.fields = append(s.fields, p)
		if len(field.Names) == 0 {
			s.always = append(s.always, p)
		}
		for _, name := range field.Names {
			s.declared[name.Name] = append(s.declared[name.Name], p)
		}
	}
}

// keepEntries leaves out the entries of Provider's two maps that are not among those named.
func (s *source) keepEntries(entries map[string]bool) error {
	left := map[string]bool{}
	for name := range entries {
		left[name] = true
	}
	for _, p := range s.always {
		if p.name != "Provider" {
			continue
		}
		ast.Inspect(p.node, func(node ast.Node) bool {
			field, ok := node.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, ok := field.Key.(*ast.Ident)
			if !ok || (key.Name != "ResourcesMap" && key.Name != "DataSourcesMap") {
				return true
			}
			literal, ok := field.Value.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kept := literal.Elts[:0:0]
			for i, element := range literal.Elts {
				name, _ := strconv.Unquote(element.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
				if entries[name] {
					kept = append(kept, element)
					delete(left, name)
					continue
				}
				to := literal.Rbrace
				if i+1 < len(literal.Elts) {
					to = literal.Elts[i+1].Pos()
				}
				p.file.cuts = append(p.file.cuts, stretch{element.Pos(), to})
			}
			literal.Elts = kept
			return false
		})
	}
	for name := range left {
		return fmt.Errorf("upstream has no %s", name)
	}
	return nil
}

// reach keeps what the parts that are always kept use, and what that uses, and so on.
func (s *source) reach() {
	queue := append([]*part(nil), s.always...)
	keep := func(parts []*part) {
		for _, p := range parts {
			if !p.isKept {
				p.isKept = true
				queue = append(queue, p)
			}
		}
	}
	for _, p := range s.always {
		p.isKept = true
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		for _, name := range usedNames(p.node) {
			if s.used[name] {
				continue
			}
			s.used[name] = true
			keep(s.declared[name])
			for _, method := range s.methods[name] {
				if s.used[method.receiver] && (s.used[method.name] || !isDivided(method.receiver)) {
					keep([]*part{method})
				}
			}
		}
	}
}

// usedNames returns every identifier in a node.
func usedNames(node ast.Node) []string {
	var names []string
	ast.Inspect(node, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok {
			names = append(names, name.Name)
		}
		return true
	})
	return names
}

// write puts the kept parts of each file into a directory. A file of which nothing is kept is left
// out.
func (s *source) write(to string) error {
	for _, field := range s.fields {
		if !field.isKept {
			field.file.cuts = append(field.file.cuts, stretch{field.from, field.to})
		}
	}
	for _, f := range s.files {
		var body strings.Builder
		used := map[string]bool{}
		for _, p := range f.parts {
			if !p.isKept {
				continue
			}
			body.WriteString("\n" + p.keyword + f.textBetween(s.positions, p.from, p.to) + "\n")
			for _, name := range usedNames(p.node) {
				used[name] = true
			}
		}
		for _, field := range s.fields {
			if field.file == f && field.isKept {
				for _, name := range usedNames(field.node) {
					used[name] = true
				}
			}
		}
		if body.Len() == 0 {
			continue
		}
		text := "package " + f.syntax.Name.Name + "\n\n" + s.imports(f, used) + body.String()
		path := filepath.Join(to, f.directory, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// imports writes the imports that the kept code uses, and those that are for their effect alone.
func (s *source) imports(f *file, used map[string]bool) string {
	var lines []string
	for _, one := range f.syntax.Imports {
		path, _ := strconv.Unquote(one.Path.Value)
		name := s.names[path]
		alias := ""
		if one.Name != nil {
			name, alias = one.Name.Name, one.Name.Name+" "
		}
		if name == "_" || name == "." || used[name] {
			lines = append(lines, "import "+alias+one.Path.Value+"\n")
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

// textBetween returns the text of a part without the file's cuts.
func (f *file) textBetween(positions *token.FileSet, from, to token.Pos) string {
	offset := func(position token.Pos) int { return positions.Position(position).Offset }
	var text strings.Builder
	at := from
	for _, cut := range f.cuts {
		if cut.from >= at && cut.to <= to {
			text.Write(f.text[offset(at):offset(cut.from)])
			at = cut.to
		}
	}
	text.Write(f.text[offset(at):offset(to)])
	return text.String()
}

func start(declaration ast.Decl, doc *ast.CommentGroup) token.Pos {
	if doc != nil {
		return doc.Pos()
	}
	return declaration.Pos()
}

// typeName returns the name of a method's receiver type.
func typeName(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
