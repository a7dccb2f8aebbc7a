package publish_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

// restricted returns the decision for a user of a team who is in further groups, each with its own filter of that many
// values of 200 bytes. The filters are put into the decision directly: rendering must handle more than resolution
// permits (docs/rules.md R7).
func restricted(o *resolve.Organization, role string, groups, values int) *resolve.Decision {
	d := decide(o, &resolve.Source{
		Name: "AccessGroup/acme/team", Applications: []resolve.ApplicationGrant{{Application: "finance", Role: role}},
	})
	finance := *d.Applications[0]
	for g := range groups {
		requirement := resolve.Requirement{Attribute: "account", Operator: "In"}
		for v := range values {
			requirement.Values = append(requirement.Values, fmt.Sprintf("%0200d", g*values+v))
		}
		finance.Filters = append(finance.Filters, resolve.NewFilter([]resolve.Alternative{
			{AllOf: []resolve.Requirement{requirement}},
		}))
	}
	d.Applications = []*resolve.ApplicationAccess{&finance}
	return d
}

func shardOf(user string, shards int) int {
	h := fnv.New32a()
	h.Write([]byte(user))
	return int(h.Sum32() % uint32(shards))
}

// shardsIn reads every shard as a reader does, and checks that the API server would accept it.
func shardsIn(t *testing.T, rendered *publish.ApplicationDocument) []document.Application {
	t.Helper()
	read := make([]document.Application, rendered.Shards)
	for n := range rendered.Shards {
		data := rendered.Data(n)
		if size := sizeOf(data); size > publish.MaximumDataBytes {
			t.Errorf("shard %d has %d bytes, the API server would refuse it", n, size)
		}
		if digest := rendered.Digest(n); digest != publish.Digest(data) {
			t.Errorf("the digest of shard %d is %s, of its data %s", n, digest, publish.Digest(data))
		}
		documents, err := document.Parse([]byte(data[document.AccessKey]))
		if err != nil {
			t.Fatalf("shard %d: %v", n, err)
		}
		read[n] = documents.Applications[0]
	}
	return read
}

// TestAttackFiltersCauseNoShards checks that the filters of one user do not move other users to ConfigMaps that no
// workload mounts.
func TestAttackFiltersCauseNoShards(t *testing.T) {
	o := organization()
	for name, tc := range map[string]struct {
		groups, values int
		withoutRows    []string
	}{
		"one filter of 2,600 values": {1, 2600, nil},
		"2,600 filters of one value": {2600, 1, nil},
		"20,000 filters":             {20_000, 1, []string{"mallory@acme.example"}},
		"one filter of 5,300 values": {1, 5300, []string{"mallory@acme.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			decisions := map[string]*resolve.Decision{"mallory@acme.example": restricted(o, "Viewer", tc.groups, tc.values)}
			for i := range 100 {
				decisions[fmt.Sprintf("user-%d@acme.example", i)] = holding(o, "Editor", resolve.Window{})
			}
			rendered := publish.Application(o, "finance", 1, each(decisions))
			if rendered.Shards != 1 {
				t.Fatalf("the filters of one user make %d shards", rendered.Shards)
			}
			if rendered.Grows() {
				t.Error("the document is said to grow")
			}
			if diff := gocmp.Diff(tc.withoutRows, rendered.WithoutRows); diff != "" {
				t.Errorf("users without rows (-want +got):\n%s", diff)
			}
			d := shardsIn(t, rendered)[0]
			if len(d.Users) != len(decisions) {
				t.Errorf("%d users are in shard 0, want %d", len(d.Users), len(decisions))
			}
			got, want := d.FiltersOf("mallory@acme.example"), tc.groups
			if tc.withoutRows != nil {
				want = 1
			}
			if len(got) != want || (tc.withoutRows != nil) != (gocmp.Diff(document.Nothing(), got) == "") {
				t.Errorf("mallory has %d filters, want %d", len(got), want)
			}
		})
	}
}

// TestAttackHugeFiltersDoNotBlockAShard checks that users whose filters are larger than a ConfigMap lose
// their rows, that other users lose nothing, and that a change of another user is published.
func TestAttackHugeFiltersDoNotBlockAShard(t *testing.T) {
	o := organization()
	huge := restricted(o, "Viewer", 1, 5300)
	large := restricted(o, "Viewer", 1, 2000)
	decisions := map[string]*resolve.Decision{
		"mallory@acme.example": huge, "trudy@acme.example": huge,
		"amelie@acme.example": large, "bob@acme.example": restricted(o, "Viewer", 1, 2001),
		"zoe@acme.example": administrator(o),
	}
	for name, tc := range map[string]struct {
		formats     []accessv1alpha1.PublishFormat
		withoutRows []string
	}{
		// 400 kB each: both fit into one document, but not twice into one ConfigMap.
		"JSON": {nil, []string{"mallory@acme.example", "trudy@acme.example"}},
		"OPA":  {allFormats[3:4], []string{"bob@acme.example", "mallory@acme.example", "trudy@acme.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := publish.Application(o, "finance", 1, each(decisions), tc.formats...)
			if diff := gocmp.Diff(tc.withoutRows, rendered.WithoutRows); diff != "" {
				t.Errorf("users without rows (-want +got):\n%s", diff)
			}
			d := shardsIn(t, rendered)[0]
			if rendered.LeftOut != nil || len(d.Users) != len(decisions) || rendered.Users != len(decisions) {
				t.Errorf("left out: %v; %d users are in the document, %d are counted", rendered.LeftOut, len(d.Users), rendered.Users)
			}
			for _, user := range tc.withoutRows {
				if diff := gocmp.Diff(document.Nothing(), d.FiltersOf(user)); diff != "" {
					t.Errorf("rows of %s (-want +got):\n%s", user, diff)
				}
			}
			if got := d.FiltersOf("zoe@acme.example"); got != nil {
				t.Errorf("the administrator has filters: %v", got)
			}
		})
	}
}

// TestAttackManyUsersOfOneShard checks users with the same hash, who cannot be split. Those with the least access are
// left out, and administrators with a grant of their own stay.
func TestAttackManyUsersOfOneShard(t *testing.T) {
	o := organization()
	viewer, editor, rows := holding(o, "Viewer", resolve.Window{}), holding(o, "Editor", resolve.Window{}), restricted(o, "Editor", 1, 1)
	decisions := map[string]*resolve.Decision{}
	for i := 0; len(decisions) < 14_000; i++ {
		user := fmt.Sprintf("user-%07d@acme.example", i)
		if shardOf(user, publish.MaximumShards) != 3 {
			continue
		}
		decisions[user] = []*resolve.Decision{editor, viewer, rows}[len(decisions)%3]
	}
	byGroup, zoe := "", ""
	for i := 0; byGroup == "" || zoe == ""; i++ {
		switch user := fmt.Sprintf("zz-%d@acme.example", i); {
		case shardOf(user, publish.MaximumShards) != 3:
		case byGroup == "":
			byGroup = user
		default:
			zoe = user
		}
	}
	decisions[zoe], decisions[byGroup] = administrator(o), holding(o, "Administrator", resolve.Window{})
	rendered := publish.Application(o, "finance", 1, each(decisions))
	if rendered.Shards != publish.MaximumShards {
		t.Fatalf("%d shards, want %d", rendered.Shards, publish.MaximumShards)
	}
	read := shardsIn(t, rendered)
	// The order of the contract, computed independently: all of one rung, the largest entry, the greatest name.
	order := slices.SortedFunc(maps.Keys(decisions), func(a, b string) int {
		rung := func(user string) int {
			return slices.Index([]string{"Viewer", "Editor", "Administrator"}, decisions[user].Application("finance").Role)
		}
		size := func(user string) int { return len(decisions[user].Application("finance").Filters) }
		return cmp.Or(cmp.Compare(rung(a), rung(b)), cmp.Compare(size(b), size(a)), strings.Compare(b, a))
	})
	if len(rendered.LeftOut) == 0 || len(rendered.LeftOut) > 8000 {
		t.Fatalf("%d users are left out", len(rendered.LeftOut))
	}
	if diff := gocmp.Diff(slices.Sorted(slices.Values(order[:len(rendered.LeftOut)])), rendered.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	for _, user := range []string{zoe, byGroup} {
		if read[3].Users[user].Role != "Administrator" {
			t.Errorf("%s is left out", user)
		}
	}
	if got := len(read[3].Users); got != len(decisions)-len(rendered.LeftOut) || rendered.Users != got {
		t.Errorf("%d users are in the shard, %d are counted, %d were left out of %d", got, rendered.Users, len(rendered.LeftOut), len(decisions))
	}
	inRows := slices.ContainsFunc(rendered.WithoutRows, func(user string) bool { return slices.Contains(rendered.LeftOut, user) })
	if inRows {
		t.Error("a user who is left out counts as without rows")
	}
	if rendered.UsersByRole["Viewer"]+rendered.UsersByRole["Editor"]+rendered.UsersByRole["Administrator"] != rendered.Users {
		t.Errorf("by role %v, %d in all", rendered.UsersByRole, rendered.Users)
	}
}

// TestAttackLadderLargerThanADocument checks a ladder that does not fit. Every shard has the ladder with inherited
// permissions; one that is too large is published without permissions.
func TestAttackLadderLargerThanADocument(t *testing.T) {
	rules := *organization().Rules()
	rules.ApplicationRoles = nil
	for r := range 20 {
		role := resolve.ApplicationRole{Name: fmt.Sprintf("Role%02d", r)}
		for p := range 200 {
			role.Permissions = append(role.Permissions, fmt.Sprintf("%0128d", r*200+p))
		}
		rules.ApplicationRoles = append(rules.ApplicationRoles, role)
	}
	o := resolve.NewOrganization(rules)
	decisions := map[string]*resolve.Decision{"ana@acme.example": holding(o, "Role07", resolve.Window{})}
	rendered := publish.Application(o, "finance", 1, each(decisions), allFormats...)
	d := shardsIn(t, rendered)[0]
	if !rendered.WithoutPermissions || rendered.Shards != 1 || d.Users["ana@acme.example"].Role != "Role07" || len(d.Roles) != 20 {
		t.Errorf("without permissions: %t, %d shards, %d roles, users %v", rendered.WithoutPermissions, rendered.Shards, len(d.Roles), d.Users)
	}
	for _, role := range d.Roles {
		if len(role.Permissions) != 0 {
			t.Errorf("%s has %d permissions", role.Name, len(role.Permissions))
		}
	}
	data, whole := publish.FitUserData(publish.User(o, "ana@acme.example", decisions["ana@acme.example"], []string{"finance"}))
	if size := sizeOf(data); whole != (size > 100<<10) {
		t.Errorf("the user document has %d bytes, whole: %t", size, whole)
	}
}

// TestAttackHugeUserDocument checks that a user document which the API server would refuse is reduced and written.
func TestAttackHugeUserDocument(t *testing.T) {
	o := organization()
	var applications []string
	for i := range 14_000 {
		applications = append(applications, fmt.Sprintf("application-%05d", i))
	}
	everywhere := decide(o, &resolve.Source{
		Name: "AccessGroup/acme/all", Applications: []resolve.ApplicationGrant{{Application: resolve.AnyApplication, Role: "Administrator"}},
		Rows: []resolve.Rows{{Application: resolve.AnyApplication, Filter: resolve.NewFilter([]resolve.Alternative{{
			AllOf: []resolve.Requirement{{Attribute: "a", Operator: "In", Values: []string{strings.Repeat("x", 100)}}},
		}})}},
	})
	for name, tc := range map[string]struct {
		decision      *resolve.Decision
		applications  int
		named         string
		role          string
		can, hasNoRow bool
		whole         bool
	}{
		"small":             {everywhere, 100, "application-00000", "Administrator", true, false, true},
		"filters":           {restricted(o, "Viewer", 1, 5300), 0, "finance", "NoAccess", true, true, false},
		"permissions":       {everywhere, 8000, "application-00000", "Administrator", false, true, false},
		"many applications": {everywhere, 14_000, "application-00000", "NoAccess", false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			data, whole := publish.FitUserData(publish.User(o, "ana@acme.example", tc.decision, append(applications[:tc.applications:tc.applications], "finance")))
			if size := sizeOf(data); size > publish.MaximumDataBytes || whole != tc.whole {
				t.Errorf("%d bytes, whole: %t, want %t", size, whole, tc.whole)
			}
			documents, err := document.Parse([]byte(data[document.AccessKey]))
			if err != nil {
				t.Fatal(err)
			}
			d := documents.Users[0]
			role := d.DefaultRole
			if role != tc.role || (len(d.Applications[tc.named].Permissions) > 0) != tc.can {
				t.Errorf("default role %s, want %s; permissions %v", role, tc.role, d.Applications[tc.named].Permissions)
			}
			if diff := gocmp.Diff(document.Nothing(), d.FiltersOf(tc.named)); (diff == "") != tc.hasNoRow {
				t.Errorf("rows (-nothing +got):\n%s", diff)
			}
		})
	}
}
