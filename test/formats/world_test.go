package formats_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

const application = "finance"

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// published is an application document in every format, and what access.json says.
type published struct {
	shards  []map[string]string
	said    []accessJSON
	omitted int
	users   []string // also some whom no document knows
}

// accessJSON is what a reader makes of access.json with nothing of Usher at hand.
type accessJSON struct {
	Roles []struct {
		Name        string   `json:"name"`
		Permissions []string `json:"permissions"`
	} `json:"roles"`
	Users map[string]struct {
		Role     string            `json:"role"`
		NotAfter *time.Time        `json:"notAfter"`
		Filters  []json.RawMessage `json:"filters"`
	} `json:"users"`
}

// role is the user's role at the instant; "" means no access.
func (a *accessJSON) role(user string, at time.Time) string {
	entry, listed := a.Users[user]
	if !listed || (entry.NotAfter != nil && !at.Before(*entry.NotAfter)) {
		return ""
	}
	return entry.Role
}

// can says whether the user has the permission at the instant.
func (a *accessJSON) can(user, permission string, at time.Time) bool {
	role := a.role(user, at)
	for _, r := range a.Roles {
		if r.Name == role {
			return slices.Contains(r.Permissions, permission)
		}
	}
	return false
}

// limited says whether the user has rows or an end.
func (a *accessJSON) limited(user string) bool {
	entry := a.Users[user]
	return len(entry.Filters) > 0 || entry.NotAfter != nil
}

var ladders = [][]resolve.ApplicationRole{
	resolve.BuiltInApplicationRoles(),
	{{Name: "p", Permissions: []string{"all"}}, {Name: "g", Permissions: []string{"a:b/c.d"}}, {Name: "tier.2"}},
	{{Name: "owner", Permissions: []string{"finance", "owner", "reader"}}, {Name: "reader", Permissions: []string{"read"}}},
	{{Name: "true", Permissions: []string{"true", "0"}}},
}

// legalUser is the pattern of an identity.
var legalUser = regexp.MustCompile(`^[^\p{Z}\p{Cc}\p{Cf},"\\]+$`)

// strangeUsers are legal identities that mean something to some format or engine.
var strangeUsers = []string{
	"#comment", "p", "g", "*", ".*", "Viewer", "Editor", "owner", "reader", "tier.2", "true", "NoAccess", application, "r.sub",
	"a::b", "finance::Viewer", "=cmd|'/c", "Zoë", "Zoe\u0308", "山田太郎", "👩x", "ALICE@acme.example", "alice@acme.example",
	"{{.}}", "${HOME}", "%s%n", "auth0|5f7c8ec7", "null", "-", "';drop", "<script>", "a;b", "$ref", "keyMatch(x)",
}

// world makes a random document.
func world(t *testing.T, seed uint64) *published {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	ladder := ladders[random.IntN(len(ladders))]
	o := resolve.NewOrganization(resolve.Rules{
		Organization: "acme", ApplicationRoles: ladder,
		OrganizationRoles: resolve.BuiltInOrganizationRoles(), SystemRoles: resolve.BuiltInSystemRoles(),
	})
	decisions := map[string]*resolve.Decision{}
	decide := func(user string) {
		grant := resolve.ApplicationGrant{Application: application, Role: ladder[random.IntN(len(ladder))].Name}
		source := &resolve.Source{Name: "AccessGroup/acme/team"}
		switch random.IntN(4) {
		case 0:
			grant.Window.NotAfter = june.Add(time.Duration(random.IntN(20)+1) * time.Minute)
		case 1:
			source.Rows = []resolve.Rows{{Application: application, Filter: resolve.NewFilter([]resolve.Alternative{{
				AllOf: []resolve.Requirement{{Attribute: "country", Operator: "In", Values: []string{"France"}}},
			}})}}
		}
		source.Applications = []resolve.ApplicationGrant{grant}
		d := o.Resolve(&resolve.User{Holdings: []resolve.Holding{{Source: o.Bind(source, nil)}}}, june)
		decisions[user] = &d
	}
	p := &published{}
	for _, user := range strangeUsers {
		if !legalUser.MatchString(user) {
			t.Fatalf("no user can be named %q", user)
		}
		p.users = append(p.users, user)
		if random.IntN(4) > 0 {
			decide(user)
		}
	}
	for i := range 30 {
		user := fmt.Sprintf("user-%d@acme.example", i)
		p.users = append(p.users, user)
		if i%5 > 0 {
			decide(user)
		}
	}
	made := publish.Application(o, application, 1<<random.IntN(3), func(yield func(string, *resolve.Decision)) {
		for user, d := range decisions {
			yield(user, d)
		}
	}, accessv1alpha1.PublishFormatCSV, accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA)
	p.omitted = made.Omitted
	for n := range made.Shards {
		data := made.Data(n)
		p.shards = append(p.shards, data)
		var said accessJSON
		if err := json.Unmarshal([]byte(data["access.json"]), &said); err != nil {
			t.Fatal(err)
		}
		p.said = append(p.said, said)
	}
	return p
}

// eachWorld runs a test on many documents.
func eachWorld(t *testing.T, test func(t *testing.T, p *published)) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { test(t, world(t, seed)) })
	}
}

// permissions are those of the roles, and one that nobody has.
func (a *accessJSON) permissions() []string {
	all := []string{"nothing"}
	for _, r := range a.Roles {
		all = append(all, r.Permissions...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (a *accessJSON) isRole(name string) bool {
	for _, r := range a.Roles {
		if r.Name == name {
			return true
		}
	}
	return false
}
