package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file is one source file, parsed.
type file struct {
	name string // from the top of the repository
	set  *token.FileSet
	*ast.File
}

func (f file) at(n ast.Node) string {
	pos := f.set.Position(n.Pos())
	pos.Filename = f.name
	return pos.String()
}

// files parses what a package is built from, tests left out.
func files(t *testing.T, p pkg) []file {
	t.Helper()
	var all []file
	for _, name := range p.GoFiles {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file{filepath.Join(p.path(), name), set, f})
	}
	return all
}

// clocks are the functions of package time that read one.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// A pure package is told the time by its caller, so that a test can tell it any time it likes.
func TestPureClocks(t *testing.T) {
	for _, p := range packages(t) {
		if r, _ := roomOf(p); !r.pure {
			continue
		}
		for _, f := range files(t, p) {
			ast.Inspect(f.File, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && slices.Contains(clocks, sel.Sel.Name) {
					t.Errorf("%s: time.%s in a package that is to be pure", f.at(n), sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// Every package, and every exported name outside of package main, says what it is. A method that an interface of the same
// package asks for is explained there.
func TestDocComments(t *testing.T) {
	for _, p := range packages(t) {
		all := files(t, p)
		if len(all) > 0 && !slices.ContainsFunc(all, func(f file) bool { return f.Doc.Text() != "" }) {
			t.Errorf("package %s has no comment", p.path())
		}
		if p.Name == "main" {
			continue
		}
		asked := interfaceMethods(all)
		for _, f := range all {
			for _, decl := range f.Decls {
				for _, name := range undocumented(decl) {
					if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil && asked[name.Name] {
						continue
					}
					t.Errorf("%s: %s is exported and has no comment", f.at(name), name.Name)
				}
			}
		}
	}
}

// interfaceMethods are the names of the methods in a package's interfaces.
func interfaceMethods(all []file) map[string]bool {
	names := map[string]bool{}
	for _, f := range all {
		ast.Inspect(f.File, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						names[name.Name] = true
					}
				}
			}
			return true
		})
	}
	return names
}

// undocumented returns the exported names of a declaration that no comment covers.
func undocumented(decl ast.Decl) []*ast.Ident {
	var bare []*ast.Ident
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc.Text() == "" && d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
			bare = append(bare, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc.Text() == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
					bare = append(bare, s.Name)
				}
			case *ast.ValueSpec: // a comment on the group speaks for all of it
				for _, name := range s.Names {
					if name.IsExported() && d.Doc.Text() == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
						bare = append(bare, name)
					}
				}
			}
		}
	}
	return bare
}

// exportedReceiver tells whether a method is of an exported type.
func exportedReceiver(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// A file is to be read at one go.
func TestFileLength(t *testing.T) {
	const most, mostOfTest = 400, 500
	for _, p := range packages(t) {
		check := func(names []string, most int) {
			for _, name := range names {
				text, err := os.ReadFile(filepath.Join(p.Dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if n := bytes.Count(text, []byte("\n")); n > most {
					t.Errorf("%s has %d lines, more than %d", filepath.Join(p.path(), name), n, most)
				}
			}
		}
		check(p.GoFiles, most)
		check(append(p.TestGoFiles, p.XTestGoFiles...), mostOfTest)
	}
}
