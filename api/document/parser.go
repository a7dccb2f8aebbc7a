package document

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maximumDepth bounds the nesting of a document. Published documents have a depth of eight.
const maximumDepth = 64

// parser reads values as the fields of a document require them. The decoder checks the syntax of JSON, including valid
// UTF-8. The parser also requires that names are unique and have the right case, and that values are not null.
type parser struct {
	*jsontext.Decoder
}

func newParser(data []byte) *parser {
	// Unknown fields may be duplicated. Methods object and members reject other duplicates.
	return &parser{jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))}
}

// fail returns an error about the last value that was read, which begins at the given offset.
func (p *parser) fail(at int, format string, args ...any) *Error {
	return newError(p.StackPointer(), at, format, args...)
}

// broken converts an error of the decoder. It returns nil for nil.
func (p *parser) broken(err error) error {
	if err == nil {
		return nil
	}
	const early = "unexpected end of the data"
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !ok: // io.EOF: reading from memory has no other errors
		return p.fail(p.next(), early)
	case errors.Is(syntax, io.ErrUnexpectedEOF):
		return newError(syntax.JSONPointer, int(syntax.ByteOffset), early)
	default:
		return newError(syntax.JSONPointer, int(syntax.ByteOffset), "%v", syntax.Err)
	}
}

// next returns the offset of the next token. Only white space and a comma or colon precede it.
func (p *parser) next() int {
	p.PeekKind() // fills the buffer
	rest := p.UnreadBuffer()
	return int(p.InputOffset()) + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
}

// kinds maps JSON kinds to their names in messages.
var kinds = map[jsontext.Kind]string{
	jsontext.KindNull: "null", jsontext.KindFalse: "a boolean", jsontext.KindTrue: "a boolean", jsontext.KindString: "a string",
	jsontext.KindNumber: "a number", jsontext.KindBeginObject: "an object", jsontext.KindBeginArray: "a list",
}

// expect returns an error unless the next value has the kind.
func (p *parser) expect(kind jsontext.Kind) error {
	found := p.PeekKind()
	if found == kind {
		return nil
	}
	at := p.next()
	// The error is about this value, so read it.
	if err := p.skip(); err != nil {
		return err
	}
	return p.fail(at, "%s where %s belongs", kinds[found], kinds[kind])
}

// end returns an error unless only white space follows.
func (p *parser) end() error {
	found, at := p.PeekKind(), p.next()
	_, err := p.ReadToken()
	switch {
	case err == io.EOF: //nolint:errorlint // ReadToken returns it as it is
		return nil
	case err != nil:
		return p.broken(err)
	default:
		return newError("", at, "%s after the end of the document", kinds[found])
	}
}

// members reads an object. For each name it calls member, with the offset of the name, to read the value.
func (p *parser) members(member func(name string, at int) error) error {
	return p.values(jsontext.KindBeginObject, jsontext.KindEndObject, func() error {
		at := p.next()
		name, err := p.ReadToken()
		if err != nil {
			return p.broken(err)
		}
		return member(name.String(), at)
	})
}

// list reads a list and calls element to read each element.
func (p *parser) list(element func() error) error {
	return p.values(jsontext.KindBeginArray, jsontext.KindEndArray, element)
}

func (p *parser) values(begin, end jsontext.Kind, value func() error) error {
	if err := p.expect(begin); err != nil {
		return err
	}
	if _, err := p.ReadToken(); err != nil {
		return p.broken(err)
	}
	for p.PeekKind() != end {
		if err := value(); err != nil {
			return err
		}
	}
	_, err := p.ReadToken()
	return p.broken(err)
}

// field is a field of an object whose fields are known.
type field struct {
	name     string
	optional bool
	read     func() error
}

// object reads an object with these fields, each at most once. It ignores unknown fields. A field whose name differs
// from a known one only in case is an error: it is a mistake, and ignoring an optional field might give too much
// access.
func (p *parser) object(fields ...field) error {
	start := p.next()
	seen := make([]bool, len(fields))
	err := p.members(func(name string, at int) error {
		for i := range fields {
			if fields[i].name != name {
				if strings.EqualFold(fields[i].name, name) {
					return p.fail(at, "the field must be spelled %q", fields[i].name)
				}
				continue
			}
			if seen[i] {
				return p.fail(at, "the field is duplicated")
			}
			seen[i] = true
			return fields[i].read()
		}
		return p.skip()
	})
	if err != nil {
		return err
	}
	for i := range fields {
		if !seen[i] && !fields[i].optional {
			return p.fail(start, "field %q is missing", fields[i].name)
		}
	}
	return nil
}

// text reads a string.
func (p *parser) text() (string, error) {
	if err := p.expect(jsontext.KindString); err != nil {
		return "", err
	}
	token, err := p.ReadToken()
	if err != nil {
		return "", p.broken(err)
	}
	return token.String(), nil
}

// number reads a whole number from zero to the given maximum.
func (p *parser) number(maximum int) (int, error) {
	if err := p.expect(jsontext.KindNumber); err != nil {
		return 0, err
	}
	at := p.next()
	value, err := p.ReadValue()
	if err != nil {
		return 0, p.broken(err)
	}
	text := string(value)
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text || n < 0 || n > maximum {
		return 0, p.fail(at, "%s is not a whole number from 0 to %d", shorten(text), maximum)
	}
	return n, nil
}

// instant reads an RFC 3339 instant.
func (p *parser) instant() (time.Time, error) {
	at := p.next()
	text, err := p.text()
	if err != nil {
		return time.Time{}, err
	}
	t, ok := parseInstant(text)
	if !ok || t.IsZero() { // the zero time would mean that there is none
		return time.Time{}, p.fail(at, "%q is not an RFC 3339 instant", shorten(text))
	}
	return t, nil
}

// skip reads any value.
func (p *parser) skip() error {
	for depth := p.StackDepth(); ; {
		if _, err := p.ReadToken(); err != nil {
			return p.broken(err)
		}
		switch {
		case p.StackDepth() > maximumDepth:
			return p.fail(int(p.InputOffset())-1, "more than %d levels", maximumDepth)
		case p.StackDepth() == depth:
			return nil
		}
	}
}
