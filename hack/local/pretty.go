package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// prettyWidth is the width of a terminal line.
const prettyWidth = 100

// writePretty writes JSON with every value that fits on a line on one line, where json.Indent would use twenty lines
// for a filter.
func writePretty(w io.Writer, document []byte) error {
	text, err := pretty(document, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, text)
	return err
}

func pretty(document []byte, depth int) (string, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, document); err != nil {
		return "", err
	}
	document = line.Bytes()
	if len(document)+2*depth <= prettyWidth {
		return line.String(), nil
	}
	var parts []string
	switch document[0] {
	case '{':
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(document, &fields); err != nil {
			return "", err
		}
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			value, err := pretty(fields[key], depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, fmt.Sprintf("%q: %s", key, value))
		}
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(document, &items); err != nil {
			return "", err
		}
		for _, item := range items {
			value, err := pretty(item, depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, value)
		}
	default:
		return line.String(), nil
	}
	indent := "\n" + strings.Repeat("  ", depth)
	return string(document[0]) + indent + "  " + strings.Join(parts, ","+indent+"  ") + indent + string(document[len(document)-1]), nil
}
