package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maximumDepth bounds the nesting of what is only passed over. The documents themselves are five deep.
const maximumDepth = 64

// parser reads JSON more strictly than encoding/json does: names count by case and once each, null is no value,
// strings are valid UTF-8, and every error says where. It goes by what is wanted, so nesting in the data cannot
// exhaust the stack.
type parser struct {
	data []byte
	at   int
}

// fail is an error at the given offset.
func fail(at int, format string, args ...any) error {
	return &Error{Offset: at, Reason: fmt.Sprintf(format, args...)}
}

// in adds to an error the name, or the index, of the value that it is in.
func in(segment string, err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // made by fail, a few calls below, and never wrapped
		e.Pointer = "/" + pointerSegment(segment) + e.Pointer
	}
	return err
}

// space passes over white space and gives the byte behind it, zero at the end.
func (p *parser) space() byte {
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
	return 0
}

// found names what is at the parser's place, for errors.
func (p *parser) found() string {
	c := p.space()
	switch {
	case p.at >= len(p.data):
		return "the end of the data"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == '"':
		return "a string"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case bytes.HasPrefix(p.data[p.at:], []byte("null")):
		return "null"
	case bytes.HasPrefix(p.data[p.at:], []byte("true")), bytes.HasPrefix(p.data[p.at:], []byte("false")):
		return "a boolean"
	case c >= utf8.RuneSelf:
		return fmt.Sprintf("byte 0x%02x", c)
	default:
		return strconv.QuoteRune(rune(c))
	}
}

func (p *parser) expect(c byte, want string) error {
	if p.space() != c || p.at >= len(p.data) {
		return fail(p.at, "%s where %s belongs", p.found(), want)
	}
	p.at++
	return nil
}

// end is an error unless only white space is left.
func (p *parser) end() error {
	p.space()
	if p.at < len(p.data) {
		return fail(p.at, "%s after the end of the document", p.found())
	}
	return nil
}

// sequence reads what stands between two brackets, separated by commas.
func (p *parser) sequence(opening, closing byte, want string, element func() error) error {
	if err := p.expect(opening, want); err != nil {
		return err
	}
	if p.space() == closing {
		p.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch p.space() {
		case ',':
			p.at++
		case closing:
			p.at++
			return nil
		default:
			return fail(p.at, "%s where a comma or %q belongs", p.found(), closing)
		}
	}
}

// members reads an object and calls member for each name, with the parser before the value.
func (p *parser) members(member func(name string, at int) error) error {
	return p.sequence('{', '}', "an object", func() error {
		p.space()
		at := p.at
		name, err := p.text()
		if err != nil {
			return err
		}
		if err := p.expect(':', "a colon"); err != nil {
			return in(name, err)
		}
		if err := member(name, at); err != nil {
			return in(name, err)
		}
		return nil
	})
}

// list reads a list and calls element for each index, with the parser before the element.
func (p *parser) list(element func() error) error {
	i := 0
	return p.sequence('[', ']', "a list", func() error {
		if err := element(); err != nil {
			return in(strconv.Itoa(i), err)
		}
		i++
		return nil
	})
}

// field is a field of an object whose fields are known.
type field struct {
	name     string
	optional bool
	read     func() error
}

// object reads an object that has these fields, each at most once. It ignores other fields, but for those whose names
// differ from these in case only: they are mistakes, and an optional field that is missed may give more than is meant.
func (p *parser) object(fields ...field) error {
	p.space()
	start := p.at
	seen := make([]bool, len(fields))
	err := p.members(func(name string, at int) error {
		for i := range fields {
			if fields[i].name != name {
				if strings.EqualFold(fields[i].name, name) {
					return fail(at, "the name of the field is %q", fields[i].name)
				}
				continue
			}
			if seen[i] {
				return fail(at, "the field is there twice")
			}
			seen[i] = true
			return fields[i].read()
		}
		return p.skip(0)
	})
	if err != nil {
		return err
	}
	for i := range fields {
		if !seen[i] && !fields[i].optional {
			return fail(start, "field %q is missing", fields[i].name)
		}
	}
	return nil
}

// text reads a string.
func (p *parser) text() (string, error) {
	if err := p.expect('"', "a string"); err != nil {
		return "", err
	}
	start := p.at
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case '"':
			p.at++
			return string(p.data[start : p.at-1]), nil
		case '\\':
			return p.escaped(start)
		default:
			if err := p.character(); err != nil {
				return "", err
			}
		}
	}
	return "", fail(p.at, "the end of the data in a string")
}

// character passes over one character of a string that is no escape.
func (p *parser) character() error {
	c := p.data[p.at]
	if c < ' ' {
		return fail(p.at, "control character 0x%02x in a string", c)
	}
	if c < utf8.RuneSelf {
		p.at++
		return nil
	}
	r, size := utf8.DecodeRune(p.data[p.at:])
	if r == utf8.RuneError && size == 1 {
		return fail(p.at, "byte 0x%02x is not valid UTF-8", c)
	}
	p.at += size
	return nil
}

// escaped reads on where a string has its first escape.
func (p *parser) escaped(start int) (string, error) {
	text := append([]byte(nil), p.data[start:p.at]...)
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case '"':
			p.at++
			return string(text), nil
		case '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		default:
			at := p.at
			if err := p.character(); err != nil {
				return "", err
			}
			text = append(text, p.data[at:p.at]...)
		}
	}
	return "", fail(p.at, "the end of the data in a string")
}

func (p *parser) escape() (rune, error) {
	at := p.at
	p.at += 2
	if p.at > len(p.data) {
		return 0, fail(at, "the end of the data in a string")
	}
	c := p.data[at+1]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, fail(at, "escape \\%s is none of JSON", strconv.QuoteRune(rune(c)))
		}
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.hex()
	if ok && utf16.IsSurrogate(r) {
		low := rune(utf8.RuneError)
		if bytes.HasPrefix(p.data[p.at:], []byte(`\u`)) {
			p.at += 2
			low, ok = p.hex()
		}
		r = utf16.DecodeRune(r, low)
		ok = ok && r != utf8.RuneError
	}
	if !ok {
		return 0, fail(at, "escape is no Unicode character")
	}
	return r, nil
}

// hex reads the four digits of an escape.
func (p *parser) hex() (rune, bool) {
	if len(p.data)-p.at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range p.data[p.at : p.at+4] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	p.at += 4
	return r, true
}

// number reads a whole number, zero or more and at most the given maximum.
func (p *parser) number(maximum int) (int, error) {
	p.space()
	start := p.at
	for p.at < len(p.data) && strings.IndexByte("+-.0123456789Ee", p.data[p.at]) >= 0 {
		p.at++
	}
	text := string(p.data[start:p.at])
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		return 0, fail(start, "%s where a number belongs", p.found())
	case err != nil || strconv.Itoa(n) != text || n < 0 || n > maximum:
		return 0, fail(start, "%s is no whole number from 0 to %d", shorten(text), maximum)
	}
	return n, nil
}

// instant reads an RFC 3339 instant.
func (p *parser) instant() (time.Time, error) {
	p.space()
	at := p.at
	text, err := p.text()
	if err != nil {
		return time.Time{}, err
	}
	t, ok := parseInstant(text)
	if !ok || t.IsZero() { // the zero instant would mean that there is none
		return time.Time{}, fail(at, "%q is no RFC 3339 instant", shorten(text))
	}
	return t, nil
}

// skip passes over any value.
func (p *parser) skip(depth int) error {
	if depth > maximumDepth {
		return fail(p.at, "more than %d levels", maximumDepth)
	}
	switch p.space() {
	case '{':
		return p.members(func(string, int) error { return p.skip(depth + 1) })
	case '[':
		return p.list(func() error { return p.skip(depth + 1) })
	case '"':
		_, err := p.text()
		return err
	default:
		start := p.at
		for p.at < len(p.data) && strings.IndexByte("+-.0123456789Eaeflnrstu", p.data[p.at]) >= 0 {
			p.at++
		}
		switch token := p.data[start:p.at]; {
		case len(token) == 0:
			return fail(start, "%s where a value belongs", p.found())
		case !json.Valid(token):
			return fail(start, "%q is no JSON value", shorten(string(token)))
		}
		return nil
	}
}

// shorten keeps messages short, whatever the data has.
func shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
