package formats_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/casbin/casbin/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

func TestCSV(t *testing.T) {
	eachWorld(t, func(t *testing.T, p *published) {
		read := func(text string) [][]string {
			t.Helper()
			reader := csv.NewReader(strings.NewReader(text))
			reader.FieldsPerRecord = 2
			lines, err := reader.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			return lines
		}
		for n, data := range p.shards {
			said := &p.said[n]
			roles := map[string]string{}
			for _, line := range read(data["access.csv"]) {
				if _, twice := roles[line[0]]; twice {
					t.Errorf("user %q stands twice in access.csv", line[0])
				}
				roles[line[0]] = line[1]
			}
			permissions := map[[2]string]bool{}
			for _, line := range read(data["roles.csv"]) {
				permissions[[2]string{line[0], line[1]}] = true
			}
			for _, user := range p.users {
				want := said.role(user, june)
				if said.limited(user) {
					want = ""
				}
				if got := roles[user]; got != want {
					t.Errorf("shard %d gives %q role %q, want %q", n, user, got, want)
				}
				for _, permission := range said.permissions() {
					if got := permissions[[2]string{roles[user], permission}]; got != (want != "" && said.can(user, permission, june)) {
						t.Errorf("shard %d: %q may %q: %t", n, user, permission, got)
					}
				}
			}
		}
	})
}

// casbinModel is the model that docs/documents.md shows. That the subject is not the role itself keeps out a user who
// is named like one: to Casbin everything is a member of itself.
const casbinModel = `
[request_definition]
r = sub, dom, act

[policy_definition]
p = sub, dom, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub != p.sub && g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.act == p.act
`

func TestCasbin(t *testing.T) {
	eachWorld(t, func(t *testing.T, p *published) {
		omitted := 0
		for n, data := range p.shards {
			said := &p.said[n]
			dir := t.TempDir()
			for file, text := range map[string]string{"model.conf": casbinModel, "policy.csv": data["policy.csv"]} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			enforcer, err := casbin.NewEnforcer(filepath.Join(dir, "model.conf"), filepath.Join(dir, "policy.csv"))
			if err != nil {
				t.Fatal(err)
			}
			for _, user := range p.users {
				leftOut := said.limited(user) || said.isRole(user)
				if _, listed := said.Users[user]; listed && leftOut {
					omitted++
				}
				for _, permission := range said.permissions() {
					want := !leftOut && said.can(user, permission, june)
					got, err := enforcer.Enforce(user, application, permission)
					if err != nil {
						t.Fatal(err)
					}
					if got != want {
						t.Errorf("shard %d: %q may %q: %t, want %t", n, user, permission, got, want)
					}
					if other, _ := enforcer.Enforce(user, "sales", permission); other {
						t.Errorf("shard %d: %q may %q in another application", n, user, permission)
					}
				}
			}
		}
		if omitted != p.omitted {
			t.Errorf("%d users are left out, the status says %d", omitted, p.omitted)
		}
	})
}

// regoPolicy is the policy that docs/documents.md shows.
const regoPolicy = `
package usher

entry := data.users[input.user]

expired if time.parse_rfc3339_ns(entry.notAfter) <= input.now

can contains permission if {
	not expired
	some role in data.roles
	role.name == entry.role
	some permission in role.permissions
}
`

func TestOPA(t *testing.T) {
	eachWorld(t, func(t *testing.T, p *published) {
		for n, data := range p.shards {
			said := &p.said[n]
			if data["data.json"] != data["access.json"] {
				t.Error("data.json is not the document itself")
			}
			var document map[string]any
			if err := json.Unmarshal([]byte(data["data.json"]), &document); err != nil {
				t.Fatal(err)
			}
			query, err := rego.New(rego.Query("x = data.usher.can"), rego.Module("usher.rego", regoPolicy),
				rego.Store(inmem.NewFromObject(document))).PrepareForEval(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []time.Time{june, june.Add(10 * time.Minute), june.Add(time.Hour)} {
				for _, user := range p.users {
					result, err := query.Eval(t.Context(), rego.EvalInput(map[string]any{"user": user, "now": at.UnixNano()}))
					if err != nil {
						t.Fatal(err)
					}
					can := map[any]bool{}
					for _, permission := range result[0].Bindings["x"].([]any) {
						can[permission] = true
					}
					for _, permission := range said.permissions() {
						if want := said.can(user, permission, at); can[permission] != want {
							t.Errorf("shard %d at %s: %q may %q: %t, want %t", n, at, user, permission, can[permission], want)
						}
					}
				}
			}
		}
	})
}
