package edit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/identity"
)

// owned adds what a manager has applied, as the API server records it.
func owned(o client.Object, manager, fields string) {
	o.SetManagedFields(append(o.GetManagedFields(), metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: accessv1alpha1.GroupVersion.String(),
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}))
}

func importedGroup(name string, members ...string) *accessv1alpha1.AccessGroup {
	ag := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	ag.Spec.Type, ag.Spec.Privileges = accessv1alpha1.GroupTypeOrganization, accessv1alpha1.GroupPrivilegesEnabled
	var fields []string
	for _, user := range members {
		ag.Spec.Members = append(ag.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
		fields = append(fields, `"k:{\"user\":\"`+user+`\"}":{".":{},"f:user":{}}`)
	}
	owned(ag, objects.ImportManager, `{"f:spec":{"f:members":{`+strings.Join(fields, ",")+`}}}`)
	return ag
}

// TestImportAndPrune imports groups that an earlier import wrote in part.
func TestImportAndPrune(t *testing.T) {
	shared := importedGroup("shared", "ana", "ben", "cleo")
	shared.Spec.Members = append(shared.Spec.Members, accessv1alpha1.Member{User: "dan"})
	owned(shared, "flux", `{"f:spec":{"f:members":{"k:{\"user\":\"dan\"}":{".":{},"f:user":{}},"k:{\"user\":\"cleo\"}":{"f:notAfter":{}}}}}`)
	git := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "git"}}
	git.Spec.Members = []accessv1alpha1.Member{{User: "eve"}}
	owned(git, "flux", `{"f:spec":{"f:members":{"k:{\"user\":\"eve\"}":{".":{},"f:user":{}}}}}`)
	user := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: identity.Name("leaver")}}
	user.Spec = accessv1alpha1.UserAccessSpec{User: "leaver", DisplayName: "Leaver", State: accessv1alpha1.UserStateActive}
	owned(user, objects.ImportManager, `{"f:spec":{"f:user":{},"f:displayName":{}}}`)
	elsewhere := importedGroup("elsewhere", "ana")
	elsewhere.Namespace = "other"
	ordered := importedGroup("ordered", "zoe")
	ordered.Spec.Members = append(ordered.Spec.Members, accessv1alpha1.Member{User: "dan"})
	owned(ordered, "flux", `{"f:spec":{"f:members":{"k:{\"user\":\"dan\"}":{".":{},"f:user":{}}}}}`)
	set := &objects.Set{}
	for _, o := range []client.Object{shared, git, user, elsewhere, ordered, importedGroup("own", "ana", "ben"), importedGroup("gone", "ana"), importedGroup("same", "ana")} {
		set.Objects = append(set.Objects, objects.Object{Object: o})
	}
	w := &source.World{Set: set, Namespace: "acme"}
	table, err := ReadTable("x.csv", []byte("group,user\nshared,ana\nown,ana\nown,new\nsame,ana\nordered,zoe\n"), input.NewReader(nil, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := table.ImportAndPrune(w)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, c := range plan.Changed() {
		members := []string{}
		if c.After != nil {
			for _, member := range c.After.Object.(*accessv1alpha1.AccessGroup).Spec.Members {
				members = append(members, string(member.User))
			}
		} else {
			members = nil
		}
		got[c.Name()] = members
	}
	want := map[string][]string{
		"AccessGroup/acme/shared": {"ana", "cleo", "dan"}, "AccessGroup/acme/own": {"ana", "new"}, "AccessGroup/acme/gone": nil,
		"UserAccess/acme/" + identity.Name("leaver"): nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestPruneNeedsALine imports a CSV that has only the names of the columns: its command has failed, or it is the wrong file.
func TestPruneNeedsALine(t *testing.T) {
	set := &objects.Set{Objects: []objects.Object{{Object: importedGroup("own", "ana")}}}
	table, err := ReadTable("x.csv", []byte("group,user\n,\n"), input.NewReader(nil, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.ImportAndPrune(&source.World{Set: set, Namespace: "acme"}); err == nil || !strings.Contains(err.Error(), "x.csv: it has no line") {
		t.Errorf("the error is %v", err)
	}
}

// TestPruneKeepsDefaults imports again what the API server has stored with defaults.
func TestPruneKeepsDefaults(t *testing.T) {
	group := importedGroup("reviewed", "ana")
	group.Spec.Review = accessv1alpha1.GroupReview{EveryDays: 90, IfMissed: accessv1alpha1.MissedReviewKeep}
	user := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: identity.Name("ana")}}
	user.Spec = accessv1alpha1.UserAccessSpec{User: "ana", DisplayName: "Ana", State: accessv1alpha1.UserStateActive}
	owned(user, objects.ImportManager, `{"f:spec":{"f:user":{},"f:displayName":{}}}`)
	set := &objects.Set{Objects: []objects.Object{{Object: group}, {Object: user}}}
	const text = "record,group,user,displayName,everyDays\nmember,reviewed,ana,,\nreview,reviewed,,,90\nuser,,ana,Ana,\n"
	table, err := ReadTable("x.csv", []byte(text), input.NewReader(nil, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := table.ImportAndPrune(&source.World{Set: set, Namespace: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Changed() {
		t.Errorf("%s changes", c.Name())
	}
}
