package print

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

// jsonStream writes one JSON value in parts, so that a large value is never in memory as a whole. Each list entry
// is on its own line. It keeps the first error of the writer.
type jsonStream struct {
	out    *bufio.Writer
	indent string
	// rest reports whether the next entry needs a comma before it.
	rest bool
	err  error
}

func newJSONStream(out io.Writer) *jsonStream {
	return &jsonStream{out: bufio.NewWriterSize(out, 1<<16)}
}

// finish ends the value and returns the first error.
func (j *jsonStream) finish() error {
	j.text("\n")
	if err := j.out.Flush(); j.err == nil {
		j.err = err
	}
	return j.err
}

func (j *jsonStream) text(text string) {
	if _, err := j.out.WriteString(text); j.err == nil {
		j.err = err
	}
}

// open starts an object or a list, and shut ends it.
func (j *jsonStream) open(bracket string) {
	j.text(bracket)
	j.indent, j.rest = j.indent+"  ", false
}

func (j *jsonStream) shut(bracket string) {
	j.indent = j.indent[2:]
	if j.rest {
		j.text("\n" + j.indent)
	}
	j.text(bracket)
	j.rest = true
}

// next starts a new line for an entry.
func (j *jsonStream) next() {
	if j.rest {
		j.text(",")
	}
	j.text("\n" + j.indent)
	j.rest = true
}

// name starts a new line for a field of an object. The name is a constant that needs no escaping.
func (j *jsonStream) name(name string) {
	j.next()
	j.text(`"` + name + `": `)
}

// value writes a value on one line.
func (j *jsonStream) value(value any) {
	encoded, err := encode(value, "")
	if err == nil {
		_, err = j.out.Write(encoded)
	}
	if j.err == nil {
		j.err = err
	}
}

// field writes a field whose value is on one line.
func (j *jsonStream) field(name string, value any) {
	j.name(name)
	j.value(value)
}

// fieldOfList writes a field with a list, one entry per line.
func fieldOfList[T any](j *jsonStream, name string, entries []T, shown func(*T) any) {
	j.name(name)
	j.open("[")
	for i := range entries {
		j.next()
		j.value(shown(&entries[i]))
	}
	j.shut("]")
}

// asIs returns the entry itself, so that its own encoding is used.
func asIs[T any](entry *T) any { return entry }

// JSON writes the value as indented JSON.
func JSON(out io.Writer, value any) error {
	encoded, err := encode(value, "  ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(encoded, '\n'))
	return err
}

// encode returns the value as JSON without a line end, with all unsafe characters in escaped form.
func encode(value any, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return terminal.EscapeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
