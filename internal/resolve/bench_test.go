package resolve_test

import (
	"fmt"
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

// benchmarkWorld returns one user in ten groups. Each group gives a role in two of twenty applications and an
// organization role. Three of them have row filters.
func benchmarkWorld(window resolve.Window) world {
	w := world{rules: builtIn()}
	for i := range 10 {
		s := resolve.Source{
			Name:             fmt.Sprintf("AccessGroup/acme/group-%d", i),
			OrganizationRole: "Viewer",
			Applications: []resolve.ApplicationGrant{
				{Application: fmt.Sprintf("application-%02d", 2*i), Role: "Editor"},
				{Application: fmt.Sprintf("application-%02d", 2*i+1), Role: "Viewer", Window: window},
			},
		}
		if i < 3 {
			s.Rows = []resolve.Rows{rows("*", in("country", "France", "Spain"))}
		}
		w.held = append(w.held, held{source: s})
	}
	return w
}

func BenchmarkResolve(b *testing.B) {
	for name, window := range map[string]resolve.Window{
		"without windows": {},
		"with an expiry":  {NotAfter: at(5)},
	} {
		b.Run(name, func(b *testing.B) {
			o, u := benchmarkWorld(window).bind()
			b.ReportAllocs()
			for b.Loop() {
				o.Resolve(u, at(0))
			}
		})
	}
}

func BenchmarkNewFilter(b *testing.B) {
	values := make([]string, 100)
	for i := range values {
		values[i] = fmt.Sprintf("value-%02d", (i*37)%100)
	}
	alternatives := []resolve.Alternative{{AllOf: []resolve.Requirement{in("country", values...)}}}
	b.ReportAllocs()
	for b.Loop() {
		resolve.NewFilter(alternatives)
	}
}
