package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A decoder lays YAML documents over a Config and collects what is wrong with them.
type decoder struct {
	origin map[string]place         // path -> where it was set last
	where  func(n *yaml.Node) place // in the document being read
	errs   Errors
}

// A place is where something was set.
type place struct {
	name string // "file:line" or "--flag"
	line int    // 0: not of a file
}

// A setter reads the node at a path into the field it was made for.
type setter func(d *decoder, path string, n *yaml.Node)

func (d *decoder) fail(path string, n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, Error{Path: path, Msg: fmt.Sprintf(format, args...), place: d.where(n)})
}

// object reads a mapping whose keys are known.
func object(known map[string]setter) setter {
	return func(d *decoder, path string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			d.fail(path, n, "want keys and values, got %s", kind(n))
			return
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, val := n.Content[i], deref(n.Content[i+1])
			at := join(path, key.Value)
			set, ok := known[key.Value]
			switch first := seen[key.Value]; {
			case key.Kind != yaml.ScalarNode:
				d.fail(path, key, "a key must be a word, got %s", kind(key))
			case first != 0:
				d.fail(at, key, "given twice, first on line %d", first)
			case !ok:
				d.fail(at, key, "unknown key%s", meant(key.Value, slices.Sorted(maps.Keys(known))))
			default:
				seen[key.Value] = key.Line
				d.set(at, val, set)
			}
		}
	}
}

// list reads a sequence, each element over a copy of zero by the setter that elem makes for it.
func list[T any](dst *[]T, zero T, elem func(*T) setter) setter {
	return func(d *decoder, path string, n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			d.fail(path, n, "want a list, got %s", kind(n))
			return
		}
		out := make([]T, len(n.Content))
		for i, c := range n.Content {
			out[i] = zero
			d.set(fmt.Sprintf("%s[%d]", path, i), deref(c), elem(&out[i]))
		}
		*dst = out
	}
}

// dictionary reads a mapping whose keys are the file's own, and whose values are words.
func dictionary[T any](dst *map[string]T, parse func(string) (T, error)) setter {
	return func(d *decoder, path string, n *yaml.Node) {
		out, known := map[string]T{}, map[string]setter{}
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				key := n.Content[i].Value
				known[key] = func(d *decoder, path string, n *yaml.Node) {
					var v T
					scalar(&v, parse)(d, path, n)
					out[key] = v
				}
			}
		}
		object(known)(d, path, n)
		if *dst = out; len(out) == 0 {
			*dst = nil
		}
	}
}

// scalar reads one word, parsed by parse.
func scalar[T any](dst *T, parse func(string) (T, error)) setter {
	return func(d *decoder, path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			d.fail(path, n, "want a single value, got %s", kind(n))
			return
		}
		v, err := parse(n.Value)
		if err != nil {
			d.fail(path, n, "%v", err)
			return
		}
		*dst = v
	}
}

// set notes where the path was set, and sets it. A null leaves the default.
func (d *decoder) set(path string, n *yaml.Node, set setter) {
	d.origin[path] = d.where(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	set(d, path, n)
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return strconv.Quote(n.Value)
	}
	return "nothing"
}

// placeOf finds where a path was set: its own place, or that of the nearest thing around it.
func placeOf(origin map[string]place, path string) place {
	for path != "" {
		if at, ok := origin[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return origin[""]
}
