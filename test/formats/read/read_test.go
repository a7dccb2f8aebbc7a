package read_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/casbin/casbin/v3"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

const (
	application = "finance"
	crowd       = 10_000
)

// model is Casbin's model of RBAC with domains; the domain is the application.
const model = `
[request_definition]
r = sub, dom, act

[policy_definition]
p = sub, dom, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.act == p.act
`

func userName(i int) string { return fmt.Sprintf("user-%05d@acme.example", i) }

// published is an application document with a crowd in it, as JSON and for Casbin. Every tenth user has no access.
func published() []map[string]string {
	o := resolve.NewOrganization(resolve.Rules{
		Organization: "acme", ApplicationRoles: resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(), SystemRoles: resolve.BuiltInSystemRoles(),
	})
	roles := []string{"Viewer", "Editor", "RulesAdmin", "Administrator"}
	made := publish.Application(o, application, 1, func(yield func(string, *resolve.Decision)) {
		for i := range crowd {
			if i%10 == 9 {
				continue
			}
			source := &resolve.Source{Name: "AccessGroup/acme/team", Applications: []resolve.ApplicationGrant{
				{Application: application, Role: roles[i%len(roles)]},
			}}
			d := o.Resolve(&resolve.User{Holdings: []resolve.Holding{{Source: o.Bind(source, nil)}}}, time.Unix(0, 0))
			yield(userName(i), &d)
		}
	}, accessv1alpha1.PublishFormatCasbin)
	var shards []map[string]string
	for n := range made.Shards {
		shards = append(shards, made.Data(n))
	}
	return shards
}

func write(tb testing.TB, path, text string) string {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// follower reads the document as a workload does.
func follower(ctx context.Context, tb testing.TB) *document.ApplicationFollower {
	tb.Helper()
	dir := tb.TempDir()
	for i, data := range published() {
		write(tb, filepath.Join(dir, fmt.Sprint(i), "access.json"), data["access.json"])
	}
	f, err := document.FollowApplication(ctx, application, document.Options{Directories: []string{dir}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.Close)
	return f
}

func enforcer(tb testing.TB) *casbin.Enforcer {
	tb.Helper()
	dir := tb.TempDir()
	// Every shard says what the roles mean.
	lines := map[string]bool{}
	var policy strings.Builder
	for _, data := range published() {
		for line := range strings.Lines(data["policy.csv"]) {
			if !lines[line] {
				lines[line] = true
				policy.WriteString(line)
			}
		}
	}
	e, err := casbin.NewEnforcer(write(tb, filepath.Join(dir, "model.conf"), model), write(tb, filepath.Join(dir, "policy.csv"), policy.String()))
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func TestBothAnswerTheSame(t *testing.T) {
	f, e := follower(t.Context(), t), enforcer(t)
	allowed := 0
	for i := range 200 {
		for _, permission := range []string{"view", "edit", "administer", "nothing"} {
			want, err := e.Enforce(userName(i), application, permission)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Can(userName(i), permission); got != want {
				t.Errorf("%s, %s: the document says %t, Casbin %t", userName(i), permission, got, want)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed == 0 {
		t.Error("nobody may do anything")
	}
}

// BenchmarkCan asks for one user after the other.
func BenchmarkCan(b *testing.B) {
	users := make([]string, crowd)
	for i := range users {
		users[i] = userName(i)
	}
	b.Run("document", func(b *testing.B) {
		f := follower(b.Context(), b)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f.Can(users[i%crowd], "edit")
		}
	})
	b.Run("casbin", func(b *testing.B) {
		e := enforcer(b)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := e.Enforce(users[i%crowd], application, "edit"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
