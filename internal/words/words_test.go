package words_test

import (
	"testing"

	"github.com/usher-dev/usher/internal/words"
)

func TestSentences(t *testing.T) {
	eleven := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
	for name, tc := range map[string]struct{ got, want string }{
		"none":              {words.Counted(0, "user", "users"), "0 users"},
		"one":               {words.Counted(1, "entry", "entries"), "1 entry"},
		"several":           {words.Counted(2, "entry", "entries"), "2 entries"},
		"few names":         {words.Some(eleven[:10]), "a, b, c, d, e, f, g, h, i, j"},
		"many names":        {words.Some(eleven), "a, b, c, d, e, f, g, h, i, j and 1 more"},
		"no alternative":    {words.Alternatives(nil), ""},
		"one alternative":   {words.Alternatives([]string{"a"}), "a"},
		"two alternatives":  {words.Alternatives([]string{"a", "b"}), "a or b"},
		"more alternatives": {words.Alternatives([]string{"a", "b", "c"}), "a, b or c"},
		"a misspelling":     {words.Meant([]string{"france"}), "did you mean france?"},
		"two similar names": {words.Meant([]string{"team2", "team3"}), "did you mean team2, or team3?"},
		"nothing similar":   {words.Meant(nil), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("got %q, want %q", tc.got, tc.want)
			}
		})
	}
}
