package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// An Override is a setting given outside the file, such as by a flag. It goes over the file's.
type Override struct {
	Origin string // what errors name as the place: "--policy"
	Path   string // the key, dotted: "log.level"
	Value  any    // string, int, bool, time.Duration or, for a list, []string
}

// Load reads a file; an empty path stands for an empty file. The error is an Errors, or why the file could not be read.
func Load(path string, over ...Override) (*Config, error) {
	if path == "" {
		return Parse("", nil, over...)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, data, over...)
}

// Parse reads a configuration from memory; name stands for the file in errors. The error is an Errors.
func Parse(name string, data []byte, over ...Override) (*Config, error) {
	c := Default()
	d := &decoder{origin: map[string]place{"": {name: name}}}
	d.document(c, name, data)
	for _, o := range over {
		d.where = func(*yaml.Node) place { return place{name: o.Origin} }
		d.set("", o.node(), c.fields())
	}
	d.origin[""] = place{name: name}
	c.origin = d.origin
	for _, e := range c.validate() {
		if !d.errs.about(e.Path) { // what could not be read need not be judged as well
			d.errs = append(d.errs, e)
		}
	}
	if err := d.errs.sorted(); err != nil {
		return nil, err
	}
	return c, nil
}

// document lays the one document of a file over c.
func (d *decoder) document(c *Config, name string, data []byte) {
	d.where = func(n *yaml.Node) place {
		line := max(1, n.Line)
		return place{name: name + ":" + strconv.Itoa(line), line: line}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file is a good one
		return
	case err != nil:
		d.syntax(err)
		return
	}
	d.set("", deref(doc.Content[0]), c.fields())
	switch err := dec.Decode(&more); {
	case err == nil:
		d.fail("", &more, "a second document; want one")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax reports that a file is not YAML, with the line that the parser gives in its text.
func (d *decoder) syntax(err error) {
	msg := err.Error()
	m := yamlLine.FindStringSubmatch(msg)
	line, _ := strconv.Atoi(m[1])
	d.fail("", &yaml.Node{Line: line}, "not YAML: %s", msg[len(m[0]):])
}

// node makes the document that says what the override says.
func (o Override) node() *yaml.Node {
	val := new(yaml.Node)
	if err := val.Encode(o.Value); err != nil {
		panic("config: override " + o.Path + ": " + err.Error()) // not a value that YAML has: a mistake in the program
	}
	keys := strings.Split(o.Path, ".")
	for _, k := range slices.Backward(keys) {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: k}
		val = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, val}}
	}
	return val
}

// YAML writes the whole configuration, defaults included, as Parse reads it.
func (c *Config) YAML() ([]byte, error) { return yaml.Marshal(c) }

// Reload returns what a daemon that runs on c runs on once it has read next: next, but for what only a restart changes, which
// stays as c has it. kept names the keys of those in which the two differ.
func (c *Config) Reload(next *Config) (running *Config, kept []string) {
	for _, part := range []struct {
		key     string
		differs bool
	}{
		{"listen", !slices.Equal(c.Listen, next.Listen)},
		{"http", c.HTTP != next.HTTP},
		{"log.format", c.Log.Format != next.Log.Format},
		{"controller", !reflect.DeepEqual(c.Controller, next.Controller)},
	} {
		if part.differs {
			kept = append(kept, part.key)
		}
	}
	mixed := *next
	mixed.Listen, mixed.HTTP, mixed.Log.Format, mixed.Controller = c.Listen, c.HTTP, c.Log.Format, c.Controller
	return &mixed, kept
}
