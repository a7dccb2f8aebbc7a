package resolve_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestCan(t *testing.T) {
	view := resolve.Question{Application: "red", Permission: "view"}
	role := func(name string) resolve.Question { return resolve.Question{Application: "red", Role: name} }
	editor := []held{group("editors", roleDuring("red", "Editor", until(2)))}
	nobody := resolve.Access{Outcome: resolve.Outcome{Role: resolve.NoAccess, Rule: resolve.RuleNoGrant}}
	edits := resolve.Access{Outcome: resolve.Outcome{
		Role: "Editor", Rule: resolve.RuleOnlyGrant, Source: "AccessGroup/acme/editors", NotAfter: at(2),
	}}
	tests := map[string]struct {
		world    world
		hours    int // when it is asked, after the epoch; the decision is made at the epoch
		question resolve.Question
		allowed  bool
		reason   resolve.Reason
		access   resolve.Access
	}{
		"a permission of the role": {
			world{held: editor}, 0, resolve.Question{Application: "red", Permission: "edit"}, true, resolve.ReasonHeld, edits,
		},
		"a permission of a lower role": {world{held: editor}, 1, view, true, resolve.ReasonHeld, edits},
		"a permission of a higher role": {
			world{held: editor}, 0, resolve.Question{Application: "red", Permission: "administer"}, false, resolve.ReasonNotHeld, edits,
		},
		"a permission that no role has": {
			world{held: editor}, 0, resolve.Question{Application: "red", Permission: "fly"}, false, resolve.ReasonUnknown, edits,
		},
		"no permission at all":   {world{held: editor}, 0, resolve.Question{Application: "red"}, false, resolve.ReasonUnknown, edits},
		"the role":               {world{held: editor}, 0, role("Editor"), true, resolve.ReasonHeld, edits},
		"a lower role":           {world{held: editor}, 0, role("Viewer"), true, resolve.ReasonHeld, edits},
		"a higher role":          {world{held: editor}, 0, role("Administrator"), false, resolve.ReasonNotHeld, edits},
		"a role on no ladder":    {world{held: editor}, 0, role("Ghost"), false, resolve.ReasonUnknown, edits},
		"NoAccess is nothing":    {world{held: editor}, 0, role(resolve.NoAccess), false, resolve.ReasonUnknown, edits},
		"at the end":             {world{held: editor}, 2, view, false, resolve.ReasonEnded, edits},
		"after the end":          {world{held: editor}, 3, role("Viewer"), false, resolve.ReasonEnded, edits},
		"in another application": {world{held: editor}, 0, resolve.Question{Application: "blue", Permission: "view"}, false, resolve.ReasonNoAccess, nobody},
		"by default": {
			world{held: []held{group("viewers", organizationRole("Viewer"))}}, 0,
			resolve.Question{Application: unnamed, Permission: "view"}, true, resolve.ReasonHeld,
			resolve.Access{Outcome: resolve.Outcome{Role: "Viewer", Rule: resolve.RuleOnlyGrant, Source: "AccessGroup/acme/viewers"}},
		},
		"suspended": {
			world{held: editor, bars: []resolve.Bar{{Source: me, Suspended: true}}}, 0, view, false, resolve.ReasonNoAccess,
			resolve.Access{Outcome: resolve.Outcome{Role: resolve.NoAccess, Rule: resolve.RuleSuspended, Source: me}},
		},
		"without a decision": {world{}, 0, view, false, resolve.ReasonNothing, nobody},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.world.rules = builtIn()
			o, u := tc.world.bind()
			d := o.Resolve(u, epoch)
			want := resolve.Answer{Allowed: tc.allowed, Reason: tc.reason, Access: &tc.access}
			if diff := cmp.Diff(want, o.Can(&d, tc.question, at(tc.hours)), cmpopts.IgnoreUnexported(resolve.Outcome{})); diff != "" {
				t.Errorf("answer (-want, +got):\n%s", diff)
			}
		})
	}
}

// TestCanByAChangedLadder asks about a decision after the ladder has changed.
func TestCanByAChangedLadder(t *testing.T) {
	before, u := world{rules: builtIn(), held: []held{group("editors", role("red", "Editor"))}}.bind()
	d := before.Resolve(u, epoch)
	after, _ := world{rules: where(ownLadders)}.bind()
	for _, role := range []string{"Owner", "Guest", "Editor"} {
		if a := after.Can(&d, resolve.Question{Application: "red", Role: role}, epoch); a.Allowed {
			t.Errorf("an Editor has role %s of a ladder without Editor", role)
		}
	}
}

func TestNobodyCanWithoutADecision(t *testing.T) {
	o, _ := world{rules: builtIn()}.bind()
	for _, q := range []resolve.Question{{Application: "red", Permission: "view"}, {Application: "red", Role: "Viewer"}, {}} {
		if a := o.Can(nil, q, epoch); a.Allowed || a.Reason != resolve.ReasonNothing || a.Access.GivesAccess() {
			t.Errorf("%+v: %+v", q, a)
		}
	}
}

// TestCanIsWhatTheRoleHas asks about every role and permission in random worlds.
func TestCanIsWhatTheRoleHas(t *testing.T) {
	allowed := 0
	eachWorld(t, 19, func(t *testing.T, w world, now time.Time) {
		for i := range w.rules.ApplicationRoles {
			w.rules.ApplicationRoles[i].Permissions = []string{"may-" + w.rules.ApplicationRoles[i].Name}
		}
		o, u := w.bind()
		d := o.Resolve(u, now)
		ladder, _, _ := names(w)
		for _, name := range append(slices.Clone(applications), unnamed) {
			access := d.Application(name)
			for _, r := range w.rules.ApplicationRoles {
				want := d.Exists && access.GivesAccess() && height(ladder, access.Role) >= height(ladder, r.Name)
				for _, q := range []resolve.Question{{Application: name, Role: r.Name}, {Application: name, Permission: "may-" + r.Name}} {
					a := o.Can(&d, q, now)
					if a.Allowed != want || a.Allowed != (a.Reason == resolve.ReasonHeld) {
						t.Errorf("%+v: %+v although the role is %s", q, a, access.Role)
					}
					if late := access.NotAfter; !late.IsZero() && o.Can(&d, q, late).Allowed {
						t.Errorf("%+v is allowed at the end", q)
					}
					if a.Allowed {
						allowed++
					}
				}
			}
		}
	})
	if allowed == 0 {
		t.Error("nobody may do anything")
	}
}

func TestNoRowShows(t *testing.T) {
	france, none := rows("*", in("country", "France")).Filter, resolve.NewFilter(nil)
	tests := map[string]struct {
		filters []resolve.Filter
		want    bool
	}{
		"every row": {nil, false},
		"some rows": {[]resolve.Filter{france}, false},
		"no row":    {[]resolve.Filter{none}, true},
		"two filters, one of which matches no row": {[]resolve.Filter{france, none}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := resolve.ShowNoRow(tc.filters); got != tc.want {
				t.Errorf("shows no row: %t, want %t", got, tc.want)
			}
		})
	}
}
