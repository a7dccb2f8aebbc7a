package publish_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

var update = flag.Bool("update", false, "write the golden files")

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func organization() *resolve.Organization {
	return resolve.NewOrganization(resolve.Rules{
		Organization:     "acme",
		ApplicationRoles: resolve.BuiltInApplicationRoles(), OrganizationRoles: resolve.BuiltInOrganizationRoles(),
		SystemRoles: resolve.BuiltInSystemRoles(), Strategy: resolve.MostPermissive, Protected: true,
	})
}

func decide(o *resolve.Organization, sources ...*resolve.Source) *resolve.Decision {
	u := resolve.User{}
	for _, s := range sources {
		u.Holdings = append(u.Holdings, resolve.Holding{Source: o.Bind(s, nil)})
	}
	d := o.Resolve(&u, june)
	return &d
}

func france(o *resolve.Organization) *resolve.Decision {
	in := func(attribute string, values ...string) resolve.Requirement {
		return resolve.Requirement{Attribute: attribute, Operator: "In", Values: values}
	}
	return decide(o, &resolve.Source{
		Name: "AccessGroup/acme/france",
		Applications: []resolve.ApplicationGrant{
			{Application: "finance", Role: "Viewer", Window: resolve.Window{NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}},
			{Application: "sales", Role: "NoAccess"},
		},
		Rows: []resolve.Rows{{Application: "*", Filter: resolve.NewFilter([]resolve.Alternative{
			{AllOf: []resolve.Requirement{in("product", "X & <Y>", `"quoted\"`), in("country", "France", "Côte d'Ivoire")}},
		})}},
	})
}

func administrator(o *resolve.Organization) *resolve.Decision {
	return decide(o, &resolve.Source{
		Name: "UserAccess/acme/zoe", Origin: resolve.Individual, OrganizationRole: "Administrator",
	})
}

func TestGolden(t *testing.T) {
	o := organization()
	decisions := map[string]*resolve.Decision{
		"amelie@acme.example": france(o),
		"zoe@acme.example":    administrator(o),
		"none@acme.example":   decide(o),
	}
	named := []string{"finance", "sales"}
	application := publish.Application(o, "finance", 1, each(decisions))
	for name, data := range map[string]map[string]string{
		"application":         application.Data(0),
		"application-empty":   publish.EmptyApplication("acme", "finance", 0),
		"user-france":         publish.UserData(publish.User(o, "amelie@acme.example", france(o), named)),
		"user-administrator":  publish.UserData(publish.User(o, "zoe@acme.example", administrator(o), named)),
		"user-empty":          publish.UserData(publish.EmptyUser("acme", "none@acme.example")),
		"organizations-empty": publish.OrganizationsData("zoe@acme.example", nil),
		"organizations": publish.OrganizationsData("zoe@acme.example", []document.Organization{
			{Name: "acme", OrganizationRole: "Administrator"},
			{Name: "globex", OrganizationRole: "NoAccess", NotAfter: june},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for key, text := range data {
				fmt.Fprintf(&got, "%s\n%s\n", key, text)
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func each(decisions map[string]*resolve.Decision) func(func(string, *resolve.Decision)) {
	return func(yield func(string, *resolve.Decision)) {
		for user, d := range decisions { // in no order: the bytes must not depend on it
			yield(user, d)
		}
	}
}

// TestTheTextIsTheTypesEncoding holds the document that is put together from pieces against the encoding of its type.
func TestTheTextIsTheTypesEncoding(t *testing.T) {
	o := organization()
	decisions := map[string]*resolve.Decision{}
	for i := range 50 {
		decisions[fmt.Sprintf("user-%d@acme.example", i)] = []*resolve.Decision{france(o), administrator(o), decide(o)}[i%3]
	}
	for _, user := range []string{"Zoë", "山田太郎", "<script>&", "\x7f", "tab\there", `quote"d`, `back\slash`, "line\u2028separator"} {
		decisions[user] = administrator(o)
	}
	made := publish.Application(o, "finance", 4, each(decisions))
	for n := range made.Shards {
		data := made.Data(n)
		var d document.Application
		if err := json.Unmarshal([]byte(data[document.AccessKey]), &d); err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSuffix(want.String(), "\n"), data[document.AccessKey]); diff != "" {
			t.Errorf("text (-encoding +got):\n%s", diff)
		}
	}
}

func TestShards(t *testing.T) {
	o := organization()
	admin := administrator(o)
	random := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		name           string
		users, minimum int
		want           int
	}{
		{"nobody", 0, 1, 1},
		{"a few", 100, 1, 1},
		{"a few, spread beforehand", 100, 8, 8},
		{"more than one holds", 4000, 1, 2},
		{"many more", 20000, 1, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			decisions := map[string]*resolve.Decision{}
			for range tc.users {
				decisions[fmt.Sprintf("%016x@acme.example", random.Uint64())] = admin
			}
			made := publish.Application(o, "finance", tc.minimum, each(decisions))
			if made.Shards != tc.want || made.Users != tc.users {
				t.Fatalf("%d shards for %d users, want %d", made.Shards, made.Users, tc.want)
			}
			seen := map[string]bool{}
			for n := range made.Shards {
				data := made.Data(n)
				if size := len(data[document.AccessKey]) + len(document.AccessKey); size > publish.MaximumShardBytes {
					t.Errorf("shard %d has %d bytes", n, size)
				}
				var d document.Application
				if err := json.Unmarshal([]byte(data[document.AccessKey]), &d); err != nil {
					t.Fatal(err)
				}
				if d.Shard != n || d.Shards != tc.want {
					t.Errorf("shard %d says that it is %d of %d", n, d.Shard, d.Shards)
				}
				for user := range d.Users {
					h := fnv.New32a()
					h.Write([]byte(user))
					if seen[user] || int(h.Sum32()%uint32(tc.want)) != n {
						t.Errorf("user %s is in shard %d", user, n)
					}
					seen[user] = true
				}
			}
			if len(seen) != tc.users {
				t.Errorf("%d users in the shards, want %d", len(seen), tc.users)
			}
		})
	}
}

func TestOneUserIsNotSplit(t *testing.T) {
	o := organization()
	var alternatives []resolve.Alternative
	for i := range 3000 {
		alternatives = append(alternatives, resolve.Alternative{AllOf: []resolve.Requirement{{
			Attribute: "a", Operator: "In", Values: []string{fmt.Sprintf("%0100d", i)},
		}}})
	}
	large := decide(o, &resolve.Source{
		Name: "AccessGroup/acme/large", Applications: []resolve.ApplicationGrant{{Application: "finance", Role: "Viewer"}},
		Rows: []resolve.Rows{{Application: "finance", Filter: resolve.NewFilter(alternatives)}},
	})
	if made := publish.Application(o, "finance", 1, each(map[string]*resolve.Decision{"ana": large})); made.Shards != 1 {
		t.Errorf("one user of more than a shard's size takes %d shards", made.Shards)
	}
}

func TestDigestTellsDataApart(t *testing.T) {
	seen := map[string]map[string]string{}
	for _, data := range []map[string]string{
		nil, {"": ""}, {"a": "b"}, {"ab": ""}, {"": "ab"}, {"a": "", "b": ""}, {"a": "b", "c": "d"}, {"a": "bcd"}, {"a": "d", "c": "b"},
	} {
		digest := publish.Digest(data)
		if other, again := seen[digest]; again && !maps.Equal(other, data) {
			t.Errorf("%v and %v have the same digest", data, other)
		}
		seen[digest] = data
	}
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]struct {
		kind, subject string
		shard         int
	}{
		"application-access-finance":    {"application", "finance", 0},
		"application-access-finance.12": {"application", "finance", 12},
		"application-access-finance.0":  {},
		"application-access-finance.01": {},
		"application-access-finance.x":  {},
		"application-access-":           {},
		"user-access-ana-bb03":          {"user", "ana-bb03", 0},
		"user-organizations-ana-bb03":   {"organizations", "ana-bb03", 0},
		"kube-root-ca.crt":              {},
	} {
		kind, subject, shard := publish.ParseName(name)
		if kind != want.kind || subject != want.subject || shard != want.shard {
			t.Errorf("%s: got %q, %q, %d; want %+v", name, kind, subject, shard, want)
		}
	}
}

// BenchmarkApplication renders a document of five thousand users, out of ten thousand, whose roles are of ten groups.
func BenchmarkApplication(b *testing.B) {
	o := organization()
	decisions := map[string]*resolve.Decision{}
	for i := range 10_000 {
		decisions[fmt.Sprintf("user-%d@acme.example", i)] = decide(o, &resolve.Source{
			Name:         fmt.Sprintf("AccessGroup/acme/group-%d", i%10),
			Applications: []resolve.ApplicationGrant{{Application: []string{"finance", "sales"}[i%2], Role: "Viewer"}},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		made := publish.Application(o, "finance", 1, each(decisions))
		for n := range made.Shards {
			made.Digest(n)
		}
	}
}

// BenchmarkSharedFilters renders the document of an application in which 5,000 users see the same rows, by 20 KB of
// filters. It prints the bytes of all ConfigMaps, their number, and the memory that stays in use while they are written.
func BenchmarkSharedFilters(b *testing.B) {
	o := organization()
	requirement := resolve.Requirement{Attribute: "account", Operator: "In"}
	for i := range 1000 {
		requirement.Values = append(requirement.Values, fmt.Sprintf("account-%09d", i))
	}
	team := o.Bind(&resolve.Source{
		Name: "AccessGroup/acme/team", Applications: []resolve.ApplicationGrant{{Application: "finance", Role: "Viewer"}},
		Rows: []resolve.Rows{{Application: "finance", Filter: resolve.NewFilter([]resolve.Alternative{
			{AllOf: []resolve.Requirement{requirement}},
		})}},
	}, nil)
	decisions := map[string]*resolve.Decision{}
	for i := range 5000 {
		d := o.Resolve(&resolve.User{Holdings: []resolve.Holding{{Source: team}}}, june)
		decisions[fmt.Sprintf("user-%d@acme.example", i)] = &d
	}
	before := heapInUse()
	b.ReportAllocs()
	bytes, shards, kept := 0, 0, 0
	for b.Loop() {
		made := publish.Application(o, "finance", 1, each(decisions))
		bytes, shards = 0, made.Shards
		for n := range made.Shards {
			made.Digest(n)
			bytes += sizeOf(made.Data(n))
		}
		b.StopTimer()
		kept = int(heapInUse() - before)
		runtime.KeepAlive(made)
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes), "bytes")
	b.ReportMetric(float64(shards), "shards")
	b.ReportMetric(float64(kept), "keptbytes")
}

// heapInUse is the memory in use after a garbage collection.
func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
