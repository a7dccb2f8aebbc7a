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

// casbinModel is the model in docs/documents.md. The condition that the subject is not the role itself excludes a user
// who has the name of a role, because Casbin treats everything as a member of itself.
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

// regoPolicy is the policy in docs/documents.md.
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

// documentedPolicy returns the policy for OPA in docs/workloads.md.
func documentedPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "workloads.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, policy, found := strings.Cut(string(text), "```rego\n")
	policy, _, ends := strings.Cut(policy, "\n```\n")
	if !found || !ends {
		t.Fatal("docs/workloads.md shows no policy")
	}
	return policy
}

// TestDocumentedPolicyFollowsPlaces checks that the policy uses the filters at the user's places in the document's
// list. A place outside of the list gives no access.
func TestDocumentedPolicyFollowsPlaces(t *testing.T) {
	policy := documentedPolicy(t)
	const french, german = `{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["France"]}]}]}`,
		`{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["Germany"]}]}]}`
	finance := func(filters, places string) string {
		return `{"apiVersion":"access.usher.dev/v1","application":"finance","filters":[` + filters + `],
			"kind":"ApplicationAccessDocument","organization":"acme","roles":[{"name":"Viewer","permissions":["view"]}],
			"shard":0,"shards":1,"users":{"ana":{` + places + `"role":"Viewer","source":"AccessGroup/acme/team"}}}`
	}
	for name, tc := range map[string]struct {
		shards       []string
		allow        bool
		france, null bool // whether a row of France, and one without a country, are visible
	}{
		"no filters":       {[]string{finance(french, ``)}, true, true, true},
		"first":            {[]string{finance(french+","+german, `"filters":[0],`)}, true, true, false},
		"second":           {[]string{finance(german+","+french, `"filters":[1],`)}, true, true, false},
		"another":          {[]string{finance(french+","+german, `"filters":[1],`)}, true, false, false},
		"both":             {[]string{finance(french+","+german, `"filters":[0,1],`)}, true, false, false},
		"no row":           {[]string{finance(`{"anyOf":[]},`+french, `"filters":[0],`)}, true, false, false},
		"outside":          {[]string{finance(french, `"filters":[1],`)}, false, false, false},
		"partly outside":   {[]string{finance(french, `"filters":[0,1],`)}, false, false, false},
		"below zero":       {[]string{finance(french, `"filters":[-1],`)}, false, false, false},
		"no list":          {[]string{finance(french, `"filters":"0",`)}, false, false, false},
		"null":             {[]string{finance(french, `"filters":null,`)}, false, false, false},
		"two that agree":   {[]string{finance(french, `"filters":[0],`), finance(german+","+french, `"filters":[1],`)}, true, true, false},
		"two that differ":  {[]string{finance(french, `"filters":[0],`), finance(german+","+french, `"filters":[0],`)}, false, false, false},
		"nobody's, unread": {[]string{finance(``, ``)}, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			access := map[string]any{}
			for n, text := range tc.shards {
				var document map[string]any
				if err := json.Unmarshal([]byte(text), &document); err != nil {
					t.Fatal(err)
				}
				access[string(rune('0'+n))] = document
			}
			ask := func(question string, row map[string]any) bool {
				t.Helper()
				query, err := rego.New(rego.Query("x = data.finance."+question), rego.Module("finance.rego", policy),
					rego.Store(inmem.NewFromObject(map[string]any{"access": access}))).PrepareForEval(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				result, err := query.Eval(t.Context(), rego.EvalInput(map[string]any{"user": "ana", "permission": "view", "row": row}))
				if err != nil {
					t.Fatal(err)
				}
				return result[0].Bindings["x"].(bool)
			}
			if got := ask("allow", nil); got != tc.allow {
				t.Errorf("allow: %t, want %t", got, tc.allow)
			}
			if got := ask("visible", map[string]any{"country": "France"}); got != tc.france {
				t.Errorf("a row of France is visible: %t, want %t", got, tc.france)
			}
			if got := ask("visible", map[string]any{}); got != tc.null {
				t.Errorf("a row without a country is visible: %t, want %t", got, tc.null)
			}
		})
	}
}
