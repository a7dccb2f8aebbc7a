package publish

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain says whether JSON takes nothing but quotes around the string.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// canonical gives one line of JSON without escapes but the necessary ones. Types of package document have their fields
// in the order of their keys, and maps are encoded in it.
func canonical(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		// Documents consist of strings, numbers and instants of four-digit years: they always encode.
		panic("publish: " + strconv.Quote(err.Error()))
	}
	return strings.TrimSuffix(text.String(), "\n")
}
