package objects

import (
	"bytes"
	"errors"
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"
)

const (
	// mostRepeated is how much the aliases of one document may repeat. It is more than an object may have that the API
	// server stores.
	mostRepeated = 2 << 20
	// mostNodes is how many values one YAML document may have. Each takes some 400 bytes of memory, and two in the text.
	mostNodes = 2_000_000
	// nodeSize is what a node counts beside its text.
	nodeSize = 16
)

// checkNodes counts what may begin a value, without parsing the document.
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

// repeatedByAliases returns how many bytes the aliases of the document repeat, without writing them out: a few hundred
// bytes can stand for gigabytes. More than mostRepeated is an error.
func (d *document) repeatedByAliases() (int64, error) {
	if !bytes.Contains(d.text, []byte("&")) || !bytes.Contains(d.text, []byte("*")) {
		return 0, nil // most documents: they need not be parsed for this
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

// expansion counts what a document would be with its aliases written out.
type expansion struct {
	sizes    map[*yamlv3.Node]int64 // of what aliases refer to; 0 while it is being counted
	repeated int64
	line     int // of the alias that is too much
}

// size returns the size of the node with all aliases in it written out.
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
