package resolve_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

// crowd is an organization of usual size: ten thousand users, each in about ten of a thousand groups. Each group
// gives roles in one to three of a hundred applications.
type crowd struct {
	sources     []resolve.Source
	memberships [][]int // by user: indexes of sources
}

const crowdSize = 10_000

func newCrowd() crowd {
	random := rand.New(rand.NewPCG(20260601, crowdSize))
	c := crowd{}
	for i := range 1000 {
		s := resolve.Source{Name: fmt.Sprintf("AccessGroup/acme/group-%04d", i)}
		for _, a := range random.Perm(100)[:1+random.IntN(3)] {
			g := resolve.ApplicationGrant{
				Application: fmt.Sprintf("application-%03d", a),
				Role:        pick(random, "Viewer", "Viewer", "Viewer", "Editor", "Editor", "Administrator"),
			}
			if random.IntN(50) == 0 {
				g.Window = until(1000)
			}
			s.Applications = append(s.Applications, g)
		}
		if i%10 == 0 {
			s.Rows = []resolve.Rows{rows(s.Applications[0].Application, in("country", "France", "Spain"))}
		}
		c.sources = append(c.sources, s)
	}
	for range crowdSize {
		c.memberships = append(c.memberships, random.Perm(len(c.sources))[:8+random.IntN(5)])
	}
	return c
}

// users binds the crowd to the rules.
func (c crowd) users() (*resolve.Organization, []*resolve.User) {
	o := resolve.NewOrganization(builtIn())
	bound := make([]*resolve.Bound, len(c.sources))
	for i := range c.sources {
		bound[i] = o.Bind(&c.sources[i], nil)
	}
	users := make([]*resolve.User, len(c.memberships))
	for i, groups := range c.memberships {
		users[i] = &resolve.User{}
		for _, g := range groups {
			users[i].Holdings = append(users[i].Holdings, resolve.Holding{Source: bound[g]})
		}
	}
	return o, users
}

// byHand is the minimal code that computes the highest role and nothing else: no reasons, no rows, no ends.
func byHand(groups []string, grants map[string]map[string]string, rank map[string]int) map[string]string {
	roles := map[string]string{}
	for _, group := range groups {
		for application, role := range grants[group] {
			if rank[role] > rank[roles[application]] {
				roles[application] = role
			}
		}
	}
	return roles
}

// BenchmarkTenThousandUsers resolves all users, with the engine and with byHand.
func BenchmarkTenThousandUsers(b *testing.B) {
	c := newCrowd()
	b.Run("engine", func(b *testing.B) {
		o, users := c.users()
		decisions := make([]resolve.Decision, len(users))
		b.ReportAllocs()
		for b.Loop() {
			for i, u := range users {
				decisions[i] = o.Resolve(u, at(0))
			}
		}
	})
	b.Run("loop", func(b *testing.B) {
		rank := map[string]int{"Viewer": 1, "Editor": 2, "RulesAdmin": 3, "Administrator": 4}
		grants := map[string]map[string]string{}
		for i := range c.sources {
			s := &c.sources[i]
			grants[s.Name] = map[string]string{}
			for _, g := range s.Applications {
				grants[s.Name][g.Application] = g.Role
			}
		}
		groups := make([][]string, len(c.memberships))
		for i, all := range c.memberships {
			for _, g := range all {
				groups[i] = append(groups[i], c.sources[g].Name)
			}
		}
		decided := make([]map[string]string, len(groups))
		b.ReportAllocs()
		for b.Loop() {
			for i := range groups {
				decided[i] = byHand(groups[i], grants, rank)
			}
		}
	})
}
