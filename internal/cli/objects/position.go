package objects

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// document is one document of a file. It is parsed for the lines of its fields only on demand, because most
// documents never need it.
type document struct {
	file  string
	first int // its first line in the file, from 1; 0 if the data has no lines of a file
	text  []byte

	once sync.Once
	root *yamlv3.Node
	err  error // why root is nil
}

func joinPath(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}

// line returns the line of the deepest existing part of the path. For an empty path, it returns the first line with
// content.
func (d *document) line(path string) int {
	if d.first == 0 {
		return 0
	}
	if path == "" {
		return d.first + leadingLines(d.text)
	}
	node := d.node()
	if node == nil {
		return d.first + leadingLines(d.text)
	}
	line := node.Line
	for _, segment := range segments(path) {
		next, at := descend(node, segment)
		if next == nil {
			break
		}
		node, line = next, at
	}
	return d.first + line - 1
}

func (d *document) node() *yamlv3.Node {
	d.once.Do(func() {
		var root yamlv3.Node
		if d.err = yamlv3.Unmarshal(d.text, &root); d.err == nil && len(root.Content) == 1 {
			d.root = root.Content[0]
		}
	})
	return d.root
}

// leadingLines returns the number of empty lines and comment lines at the start.
func leadingLines(text []byte) int {
	count := 0
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && !strings.HasPrefix(trimmed, "#") && trimmed != "---" {
			return count
		}
		count++
	}
	return 0
}

// segments splits spec.members[3].user into spec, members, [3], user. A key in brackets may contain dots. [#3] is
// the fourth entry. [3] may also be the entry with the name 3.
func segments(path string) []string {
	var cut []string
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return append(cut, path)
			}
			cut, path = append(cut, path[:end+1]), path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				return append(cut, path)
			}
			cut, path = append(cut, path[:end]), path[end:]
		}
	}
	return cut
}

// identifying are the fields that identify the entries of lists of maps.
var identifying = []string{"user", "application", "organization", "name"}

// descend returns the node at the segment, and the line to report for it. In a map, that is the line of the key.
func descend(node *yamlv3.Node, segment string) (*yamlv3.Node, int) {
	for node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	if number, isNumber := strings.CutPrefix(segment, "[#"); isNumber {
		i, err := strconv.Atoi(strings.TrimSuffix(number, "]"))
		if err != nil || node.Kind != yamlv3.SequenceNode || i < 0 || i >= len(node.Content) {
			return nil, 0
		}
		return node.Content[i], node.Content[i].Line
	}
	inner, isEntry := strings.CutPrefix(segment, "[")
	if !isEntry {
		if key, value := entry(node, segment); value != nil {
			return value, key.Line
		}
		return nil, 0
	}
	inner = strings.Trim(strings.TrimSuffix(inner, "]"), `"`)
	if node.Kind != yamlv3.SequenceNode {
		if key, value := entry(node, inner); value != nil { // an entry of a map, such as a label
			return value, key.Line
		}
		return nil, 0
	}
	for _, item := range node.Content {
		if item.Kind == yamlv3.ScalarNode && item.Value == inner {
			return item, item.Line
		}
		if slices.ContainsFunc(identifying, func(field string) bool {
			_, value := entry(item, field)
			return value != nil && value.Value == inner
		}) {
			return item, item.Line
		}
	}
	if i, err := strconv.Atoi(inner); err == nil && i >= 0 && i < len(node.Content) {
		return node.Content[i], node.Content[i].Line
	}
	return nil, 0
}

func entry(node *yamlv3.Node, name string) (key, value *yamlv3.Node) {
	if node.Kind != yamlv3.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			key, value = node.Content[i], node.Content[i+1] // the second of duplicate keys wins
		}
	}
	return key, value
}

// lineOfValue returns the first line that contains the value, or 0 if no line does.
func (d *document) lineOfValue(value string) int {
	root := d.node()
	if root == nil || d.first == 0 {
		return 0
	}
	line := 0
	var look func(node *yamlv3.Node)
	look = func(node *yamlv3.Node) {
		if line == 0 && node.Kind == yamlv3.ScalarNode && node.Value == value {
			line = d.first + node.Line - 1
		}
		for _, child := range node.Content {
			look(child)
		}
	}
	look(root)
	return line
}

// unquoted finds the number, boolean or null that a JSON decoding error reports where a string is required. It
// returns the path of the field with list indexes, its line in the file, and its node. The node is nil if the error
// has another cause.
func (d *document) unquoted(path string, err error) (at string, line int, found *yamlv3.Node) {
	var mistyped *json.UnmarshalTypeError
	root := d.node()
	if !errors.As(err, &mistyped) || mistyped.Type.Kind() != reflect.String || mistyped.Field == "" || root == nil || d.first == 0 {
		return "", 0, nil
	}
	for _, segment := range segments(path) {
		if root, _ = descend(root, segment); root == nil {
			return "", 0, nil
		}
	}
	at, found = firstUnquoted(root, strings.Split(mistyped.Field, "."), "")
	if found == nil {
		return "", 0, nil
	}
	return at, d.first + found.Line - 1, found
}

// firstUnquoted returns the first scalar at the path of fields that YAML reads as something other than a string.
func firstUnquoted(node *yamlv3.Node, fields []string, at string) (string, *yamlv3.Node) {
	for node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == yamlv3.SequenceNode:
		for i, item := range node.Content {
			if path, found := firstUnquoted(item, fields, fmt.Sprintf("%s[%d]", at, i)); found != nil {
				return path, found
			}
		}
	case len(fields) == 0:
		var value any
		if node.Kind == yamlv3.ScalarNode && node.Style == 0 && yaml.Unmarshal([]byte(node.Value), &value) == nil {
			if _, isText := value.(string); !isText && value != nil {
				return at, node
			}
		}
	default:
		if _, value := entry(node, fields[0]); value != nil {
			return firstUnquoted(value, fields[1:], joinPath(at, fields[0]))
		}
	}
	return "", nil
}
