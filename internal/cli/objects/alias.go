package objects

import (
	"bytes"
	"errors"
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"
)

const (
	// mostRepeated is the maximum number of bytes that the aliases of one document may repeat. It exceeds the size of
	// the largest object that the API server stores.
	mostRepeated = 2 << 20
	// mostNodes is the maximum number of values in one YAML document. Each value uses about 400 bytes of memory, and
	// at least two bytes of text.
	mostNodes = 2_000_000
	// nodeSize is the size that counts for a node in addition to its text.
	nodeSize = 16
)

// checkNodes counts the possible starts of values without parsing the document.
func (d *document) checkNodes() error {
	count := 0
	for i, c := range d.text {
		switch c {
		case '[', '{', ',':
			count++
		case '-', ':', '?':
			if i+1 == len(d.text) || d.text[i+1] <= ' ' {
				count++
			}
		}
	}
	if count > mostNodes {
		return fmt.Errorf("the YAML document has more than %d values; write it as JSON, or as several documents", mostNodes)
	}
	return nil
}

// repeatedByAliases returns the number of bytes that the aliases of the document repeat, without expanding them: a
// few hundred bytes can expand to gigabytes. More than mostRepeated bytes are an error.
func (d *document) repeatedByAliases() (int64, error) {
	if !bytes.Contains(d.text, []byte("&")) || !bytes.Contains(d.text, []byte("*")) {
		return 0, nil // most documents have no alias and are not parsed here
	}
	root := d.node()
	if d.err != nil {
		return 0, d.err
	}
	if root == nil {
		return 0, nil
	}
	e := &expansion{sizes: map[*yamlv3.Node]int64{}}
	if _, err := e.size(root); err != nil {
		return 0, fmt.Errorf("yaml: line %d: %w", e.line, err)
	}
	return e.repeated, nil
}

// expansion computes the size of a document with its aliases expanded.
type expansion struct {
	sizes    map[*yamlv3.Node]int64 // of the targets of aliases; 0 while a size is being computed
	repeated int64
	line     int // of the alias that exceeds the limit
}

// size returns the size of the node with all its aliases expanded.
func (e *expansion) size(node *yamlv3.Node) (int64, error) {
	if node.Kind == yamlv3.AliasNode {
		return e.sizeOfAlias(node)
	}
	if node.Anchor != "" {
		e.sizes[node] = 0
	}
	total := nodeSize + int64(len(node.Value))
	for _, child := range node.Content {
		size, err := e.size(child)
		if err != nil {
			return 0, err
		}
		total += size
	}
	if node.Anchor != "" {
		e.sizes[node] = total
	}
	return total, nil
}

func (e *expansion) sizeOfAlias(node *yamlv3.Node) (int64, error) {
	e.line = node.Line
	size := e.sizes[node.Alias]
	if size == 0 {
		return 0, fmt.Errorf("anchor %q contains itself", node.Value)
	}
	if e.repeated += size; e.repeated > mostRepeated {
		return 0, errTooManyAliases
	}
	return size, nil
}

var errTooManyAliases = errors.New("the aliases (*name) of this document repeat more than 2 MiB of it; write out what differs")
