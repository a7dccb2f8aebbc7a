package controller

import (
	"testing"

	"github.com/usher-dev/usher/internal/roster"
)

func TestEffects(t *testing.T) {
	france := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "france"}
	for name, tc := range map[string]struct {
		users        []string
		applications []string
		want         string
	}{
		"nobody":                      {},
		"one, in no application":      {users: []string{"a"}, want: "Access of a changed."},
		"two, in some":                {users: []string{"b", "a"}, applications: []string{"y", "x"}, want: "Access of a, b changed, in x, y."},
		"more than an event can name": {users: []string{"e", "b", "d", "a", "c"}, want: "Access of a, b, c and 2 more changed."},
	} {
		t.Run(name, func(t *testing.T) {
			e := effects{byCause: map[roster.Object]*effect{}}
			for _, user := range tc.users {
				e.add([]roster.Object{france}, user, tc.applications)
			}
			if got := e.take(france); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := e.take(france); got != "" {
				t.Errorf("said twice: %q", got)
			}
		})
	}
}
