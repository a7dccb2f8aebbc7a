package objects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Rewriter edits the documents that objects were read from. Unchanged parts keep their order and their comments.
type Rewriter struct {
	edited map[*document]*yamlv3.Node
	order  []*document
	// gone are the deleted objects: a document, or an item of a list.
	gone map[*yamlv3.Node]bool
}

// Edit applies the change to the document of the object.
func (r *Rewriter) Edit(c *Change) error {
	d := c.Before.text
	root := r.edited[d]
	if root == nil {
		root = &yamlv3.Node{}
		if err := yamlv3.Unmarshal(d.text, root); err != nil {
			return fmt.Errorf("%s: %w", c.Before.Origin, err)
		}
		if r.edited == nil {
			r.edited = map[*document]*yamlv3.Node{}
		}
		r.edited[d] = root
		r.order = append(r.order, d)
	}
	node := root.Content[0]
	for _, segment := range segments(c.Before.path) {
		if node, _ = descend(node, segment); node == nil {
			return fmt.Errorf("%s: %s is not found any more", c.Before.Origin, c.Name())
		}
	}
	if c.After == nil {
		if r.gone == nil {
			r.gone = map[*yamlv3.Node]bool{}
		}
		r.gone[node] = true
		return nil
	}
	if err := editEntry(node, "spec", spec(c.Before.Object), spec(c.After.Object)); err != nil {
		return fmt.Errorf("%s: %s: %w; edit it by hand", c.Before.Origin, c.Name(), err)
	}
	return r.check(c, node)
}

// check compares the edited document with the intended object, so that a wrong edit is never written to a file.
func (r *Rewriter) check(c *Change, node *yamlv3.Node) error {
	var says struct {
		Spec any `yaml:"spec"`
	}
	if err := node.Decode(&says); err != nil {
		return fmt.Errorf("%s: %s: %w", c.Before.Origin, c.Name(), err)
	}
	encoded, err := json.Marshal(map[string]any{"spec": says.Spec})
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.Before.Origin, c.Name(), err)
	}
	made := reflect.New(reflect.TypeOf(c.After.Object).Elem()).Interface().(client.Object)
	if err := json.Unmarshal(encoded, made); err != nil {
		return fmt.Errorf("%s: %s: %w", c.Before.Origin, c.Name(), err)
	}
	if !reflect.DeepEqual(spec(made), spec(c.After.Object)) {
		return fmt.Errorf("%s: %s cannot be edited where it stands; edit it by hand", c.Before.Origin, c.Name())
	}
	return nil
}

// Documents returns the edited documents in order, without those of deleted objects.
func (r *Rewriter) Documents() ([][]byte, error) {
	var all [][]byte
	for _, d := range r.order {
		text, err := r.render(d)
		if err != nil {
			return nil, err
		}
		if text != nil {
			all = append(all, text)
		}
	}
	return all, nil
}

// render returns the edited document, or nil if its object was deleted.
func (r *Rewriter) render(d *document) ([]byte, error) {
	root := r.edited[d]
	if r.gone[root.Content[0]] {
		return nil, nil
	}
	if items, _ := descend(root.Content[0], "items"); items != nil {
		items.Content = slices.DeleteFunc(items.Content, func(item *yamlv3.Node) bool { return r.gone[item] })
	}
	text, err := render(root, d.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file, err)
	}
	return text, nil
}

// Files returns the new content of the files with edited documents. Every unedited document keeps its exact bytes. The
// content of a file without any object left is nil. Files uses read to read the files again.
func (r *Rewriter) Files(read func(name string) ([]byte, error)) (map[string][]byte, error) {
	files := map[string][]byte{}
	// Start at the last line, so that earlier positions stay valid.
	documents := slices.Clone(r.order)
	slices.SortFunc(documents, func(a, b *document) int { return b.first - a.first })
	for _, d := range documents {
		content, known := files[d.file]
		if !known {
			var err error
			if content, err = read(d.file); err != nil {
				return nil, fmt.Errorf("%s: %w", d.file, err)
			}
		}
		if trimmed := bytes.TrimSpace(d.text); len(trimmed) > 0 && trimmed[0] == '{' {
			return nil, fmt.Errorf("%s: JSON is not edited in place; take what is printed without --in-place", d.file)
		}
		begin := offsetOfLine(content, d.first)
		marker := begin
		follows := isSeparator(lineAt(content, begin))
		if follows {
			begin += len("---")
		}
		if !bytes.HasPrefix(content[begin:], d.text) {
			return nil, fmt.Errorf("%s changed while it was edited; run the command again", d.file)
		}
		text, err := r.render(d)
		if err != nil {
			return nil, err
		}
		if text == nil {
			files[d.file] = slices.Concat(content[:marker], content[begin+len(d.text):])
			continue
		}
		if follows {
			// The line of the marker may hold a comment, which is the only other content that is rendered here.
			between := []byte("\n")
			if text[0] == '#' && d.text[0] != '\n' {
				between = []byte(" ")
			}
			text = append(between, text...)
		}
		files[d.file] = slices.Concat(content[:begin], text, content[begin+len(d.text):])
	}
	emptyToNil(files)
	return files, nil
}

// emptyToNil sets the content of files without any object to nil.
func emptyToNil(files map[string][]byte) {
	for name, content := range files {
		if len(bytes.Trim(content, "- \t\r\n")) == 0 {
			files[name] = nil
		}
	}
}

func offsetOfLine(content []byte, line int) int {
	at := 0
	for range line - 1 {
		at += bytes.IndexByte(content[at:], '\n') + 1
	}
	return at
}

func lineAt(content []byte, at int) []byte {
	line, _, _ := bytes.Cut(content[at:], []byte("\n"))
	return append(bytes.Clone(line), '\n')
}

// render writes the node in the formatting of the text that it was read from.
func render(node *yamlv3.Node, like []byte) ([]byte, error) {
	var b bytes.Buffer
	encoder := yamlv3.NewEncoder(&b)
	step, compact := indentation(like)
	encoder.SetIndent(step)
	if compact {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return b.Bytes(), encoder.Close()
}

// indentation returns the number of columns by which the text indents the fields of maps, and reports whether the
// entries of a list start in the column of the list's name.
func indentation(text []byte) (step int, compact bool) {
	step, compact = 2, true
	before, opens, found := 0, false, false
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimLeft(line, " ")
		if strings.TrimSpace(line) == "" || trimmed[0] == '#' {
			continue
		}
		at := len(line) - len(trimmed)
		isEntry := strings.HasPrefix(trimmed, "- ")
		switch {
		case opens && isEntry && !found:
			compact, found = at == before, true
		case opens && !isEntry && before == 0 && at > 1:
			step = min(at, 8)
		}
		before, opens = at, strings.HasSuffix(strings.TrimSpace(line), ":")
	}
	return step, compact
}

// RenderManifest returns the object as a YAML document for git.
func RenderManifest(o client.Object) ([]byte, error) {
	node, err := newNode(Manifest(o))
	if err != nil {
		return nil, err
	}
	return render(node, nil)
}

var errAlias = errors.New("it refers to another place of the file (an alias)")

// editEntry changes the entry of the map from before to after. It removes the entry if after is nil.
func editEntry(node *yamlv3.Node, name string, before, after any) error {
	if node.Kind == yamlv3.AliasNode {
		return errAlias
	}
	if node.Kind != yamlv3.MappingNode {
		return fmt.Errorf("%s does not stand in a map", name)
	}
	if reflect.DeepEqual(before, after) {
		return nil
	}
	i := 0
	for i < len(node.Content) && node.Content[i].Value != name {
		i += 2 // skip the key and its value
	}
	has := i < len(node.Content)
	switch {
	case after == nil && !has:
		return nil
	case after == nil:
		node.Content = slices.Delete(node.Content, i, i+2)
		return nil
	case !has:
		return appendEntry(node, name, after)
	}
	return editValue(&node.Content[i+1], name, before, after)
}

func appendEntry(node *yamlv3.Node, name string, after any) error {
	made, err := newNode(after)
	if err != nil {
		return err
	}
	if len(node.Content) == 0 {
		node.Style = 0 // {} becomes a map in block style
	}
	key, err := newNode(name)
	if err != nil {
		return err
	}
	node.Content = append(node.Content, key, made)
	return nil
}

func editValue(at **yamlv3.Node, name string, before, after any) error {
	node := *at
	if node.Kind == yamlv3.AliasNode {
		return errAlias
	}
	switch is := after.(type) {
	case map[string]any:
		if node.Kind == yamlv3.MappingNode {
			was := asMap(before)
			for _, each := range sortedNames(was, is) {
				if err := editEntry(node, each, was[each], is[each]); err != nil {
					return err
				}
			}
			return nil
		}
	case []any:
		if node.Kind == yamlv3.SequenceNode && (listKeys[name] != "" || setLists[name]) {
			return editList(node, name, asList(before), is)
		}
	}
	made, err := newNode(after)
	if err != nil {
		return err
	}
	made.HeadComment, made.LineComment, made.FootComment = node.HeadComment, node.LineComment, node.FootComment
	if made.Kind == yamlv3.ScalarNode && made.Style == 0 && made.Tag == node.Tag {
		made.Style = node.Style // keep the quotes
	}
	*at = made
	return nil
}

// editList edits a list whose entries are identified by a key or by their value.
func editList(node *yamlv3.Node, name string, before, after []any) error {
	key := listKeys[name]
	were, are := map[string]any{}, map[string]any{}
	for _, each := range before {
		were[nameOf(key, each)] = each
	}
	for _, each := range after {
		are[nameOf(key, each)] = each
	}
	seen := map[string]bool{}
	var kept []*yamlv3.Node
	for _, item := range node.Content {
		called, err := nodeName(key, item)
		if err != nil {
			return err
		}
		is, stays := are[called]
		if !stays {
			continue
		}
		seen[called] = true
		if err := editValue(&item, "", were[called], is); err != nil {
			return err
		}
		kept = append(kept, item)
	}
	for _, each := range after {
		if seen[nameOf(key, each)] {
			continue
		}
		made, err := newNode(each)
		if err != nil {
			return err
		}
		if len(kept) > 0 && made.Kind == yamlv3.MappingNode {
			made.Style = kept[len(kept)-1].Style
		}
		kept = append(kept, made)
	}
	if len(node.Content) == 0 {
		node.Style = 0
	}
	node.Content = kept
	return nil
}

func nameOf(key string, entry any) string {
	if fields, isMap := entry.(map[string]any); isMap {
		return asString(fields[key])
	}
	return asString(entry)
}

func nodeName(key string, item *yamlv3.Node) (string, error) {
	switch item.Kind {
	case yamlv3.MappingNode:
		if _, named := entry(item, key); named != nil && named.Kind == yamlv3.ScalarNode {
			return named.Value, nil
		}
	case yamlv3.ScalarNode:
		return item.Value, nil
	}
	return "", errAlias
}

// first are the fields that the plugin writes first in an entry.
var first = []string{"apiVersion", "kind", "metadata", "name", "user", "application", "organization", "attribute", "displayName", "type"}

// newNode returns the node of a value. It quotes a string that would otherwise be read as another type.
func newNode(value any) (*yamlv3.Node, error) {
	fields, isMap := value.(map[string]any)
	entries, isList := value.([]any)
	node := &yamlv3.Node{}
	switch {
	case isMap:
		node.Kind = yamlv3.MappingNode
		names := slices.SortedFunc(maps.Keys(fields), compareNames)
		for _, name := range names {
			if err := appendEntry(node, name, fields[name]); err != nil {
				return nil, err
			}
		}
	case isList:
		node.Kind = yamlv3.SequenceNode
		for _, each := range entries {
			made, err := newNode(each)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, made)
		}
	default:
		return node, node.Encode(value)
	}
	return node, nil
}

func compareNames(a, b string) int {
	m, n := slices.Index(first, a), slices.Index(first, b)
	switch {
	case m >= 0 && n >= 0:
		return m - n
	case m >= 0:
		return -1
	case n >= 0:
		return 1
	default:
		return strings.Compare(a, b)
	}
}
