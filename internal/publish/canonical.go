package publish

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain reports whether the JSON encoding of the string is the string in quotes, without escapes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// canonical encodes a value as one line of JSON with only the necessary escapes. The types of package document declare
// their fields in the order of their keys, and the encoder sorts maps.
func canonical(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		// Documents consist of strings, numbers and times with four-digit years, so encoding cannot fail.
		panic("publish: " + strconv.Quote(err.Error()))
	}
	return strings.TrimSuffix(text.String(), "\n")
}
