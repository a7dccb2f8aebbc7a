package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func quoted(text string) string {
	made, _ := json.Marshal(text)
	return string(made)
}

func sortedKeys(of map[string]any) []string { return slices.Sorted(maps.Keys(of)) }

// membersOf returns the members in the spec of an AccessGroup.
func membersOf(object map[string]any) []string {
	var users []string
	spec, _ := object["spec"].(map[string]any)
	for _, each := range list(spec["members"]) {
		users = append(users, each.(map[string]any)["user"].(string))
	}
	slices.Sort(users)
	return users
}

// TestPatchMembers applies the operations that identity providers send to a group of a, b and c.
func TestPatchMembers(t *testing.T) {
	member := func(name string) string { return `{"$ref":null,"value":"` + userID(name, "1") + `"}` }
	id := func(name string) string { return `\"` + userID(name, "1") + `\"` }
	for name, tc := range map[string]struct {
		operations []string
		code       int // 204 if absent
		want       []string
		detail     string
	}{
		"Entra ID adds": {operations: []string{`{"op":"Add","path":"members","value":[` + member("d") + `]}`}, want: []string{"a", "b", "c", "d"}},
		"Entra ID adds, and names the operation": {
			operations: []string{`{"name":"addMember","op":"Add","path":"members","value":[{"displayName":"d","value":"` + userID("d", "1") + `"}]}`},
			want:       []string{"a", "b", "c", "d"},
		},
		"Entra ID removes a list of values":    {operations: []string{`{"op":"Remove","path":"members","value":[` + member("a") + `,` + member("b") + `]}`}, want: []string{"c"}},
		"a list of values that are no members": {operations: []string{`{"op":"Remove","path":"members","value":[` + member("z") + `]}`}, want: []string{"a", "b", "c"}},
		"an empty list of values":              {operations: []string{`{"op":"Remove","path":"members","value":[]}`}, want: []string{"a", "b", "c"}},
		"a selected member":                    {operations: []string{`{"op":"remove","path":"members[value eq ` + id("b") + `]"}`}, want: []string{"a", "c"}},
		"two selected members":                 {operations: []string{`{"op":"remove","path":"members[value eq ` + id("b") + ` or value eq ` + id("a") + `]"}`}, want: []string{"c"}},
		"all members":                          {operations: []string{`{"op":"remove","path":"members"}`}},
		"Okta replaces all":                    {operations: []string{`{"op":"replace","path":"members","value":[` + member("x") + `,` + member("a") + `]}`}, want: []string{"a", "x"}},
		"replace with none":                    {operations: []string{`{"op":"replace","path":"members","value":[]}`}},
		"replace without a path":               {operations: []string{`{"op":"replace","value":{"members":[` + member("y") + `]}}`}, want: []string{"y"}},
		"add without a path":                   {operations: []string{`{"op":"add","value":{"members":[` + member("y") + `]}}`}, want: []string{"a", "b", "c", "y"}},
		"one member, no list":                  {operations: []string{`{"op":"add","path":"members","value":` + member("y") + `}`}, want: []string{"a", "b", "c", "y"}},
		"Okta: several operations": {
			operations: []string{`{"op":"remove","path":"members[value eq ` + id("a") + `]"}`, `{"op":"add","path":"members","value":[` + member("d") + `]}`},
			want:       []string{"b", "c", "d"},
		},
		"Okta: the name with the id":   {operations: []string{`{"op":"replace","value":{"id":"x","displayName":"France"}}`}, want: []string{"a", "b", "c"}},
		"no id":                        {operations: []string{`{"op":"add","path":"members","value":[{"value":"a b"}]}`}, code: http.StatusBadRequest, want: []string{"a", "b", "c"}, detail: "not the id of a User"},
		"a group":                      {operations: []string{`{"op":"add","path":"members","value":[{"value":"x.1","type":"Group"}]}`}, code: http.StatusBadRequest, want: []string{"a", "b", "c"}, detail: "memberGroups"},
		"a filter that is not offered": {operations: []string{`{"op":"remove","path":"members[display eq \"b\"]"}`}, code: http.StatusBadRequest, want: []string{"a", "b", "c"}, detail: "eq on value"},
		"no name":                      {operations: []string{`{"op":"remove","path":"displayName"}`}, code: http.StatusBadRequest, want: []string{"a", "b", "c"}, detail: "required"},
		"a bad one behind a good one": {
			operations: []string{`{"op":"add","path":"members","value":[` + member("d") + `]}`, `{"op":"add","path":"members","value":[{"value":"?"}]}`},
			code:       http.StatusBadRequest, want: []string{"a", "b", "c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, UserAttributeUserName)
			group := c.createGroup("France", userID("a", "1"), userID("b", "1"), userID("c", "1"))
			c.api.take()
			if tc.code == 0 {
				tc.code = http.StatusNoContent
			}
			a := c.must(tc.code, http.MethodPatch, "/Groups/"+group, patchBody(tc.operations...))
			if diff := cmp.Diff(tc.want, membersOf(c.api.object(groupsResource, "france"))); diff != "" {
				t.Errorf("the members differ (-want +got):\n%s", diff)
			}
			if !strings.Contains(a.text("detail"), tc.detail) {
				t.Errorf("the detail %q does not say %q", a.text("detail"), tc.detail)
			}
			if requests := c.api.take(); len(requests) > 2 {
				t.Errorf("more than one read and one write: %v", requests)
			}
		})
	}
}

// TestLifeOfAGroup creates, reads, renames and deletes a group.
func TestLifeOfAGroup(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	user := c.createUser(ana)
	group := c.createGroup("Sales EMEA", user)
	name, _, _ := parseGroupID(group)
	want := []any{map[string]any{"value": user, "display": ana, "type": "User"}}
	if diff := cmp.Diff(want, c.must(http.StatusOK, http.MethodGet, "/Groups/"+group, "").body["members"]); diff != "" {
		t.Errorf("the members differ (-want +got):\n%s", diff)
	}
	if got := c.must(http.StatusOK, http.MethodGet, "/Groups/"+group+"?excludedAttributes=members", "").body; got["members"] != nil {
		t.Errorf("got %v", got)
	}
	for query, total := range map[string]float64{
		"displayName+eq+%22SALES+emea%22": 1, "displayName+eq+%22Sales%22": 0,
		"id+eq+%22" + group + "%22+and+members.value+eq+%22" + user + "%22":             1,
		"id+eq+%22" + group + "%22+and+members[value+eq+%22" + user + "%22]":            1,
		"id+eq+%22" + group + "%22+and+members.value+eq+%22" + userID("x", "1") + "%22": 0,
		"members.value+eq+%22" + user + "%22":                                           1,
	} {
		if got := c.must(http.StatusOK, http.MethodGet, "/Groups?filter="+query, "").body["totalResults"]; got != total {
			t.Errorf("%s: %v groups, want %v", query, got, total)
		}
	}
	c.must(http.StatusConflict, http.MethodPost, "/Groups", `{"schemas":["`+coreGroup.ID+`"],"displayName":"sales EMEA"}`)
	c.must(http.StatusNoContent, http.MethodPatch, "/Groups/"+group, patchBody(`{"op":"replace","path":"displayName","value":"Sales Europe"}`))
	if got := c.api.object(groupsResource, name)["spec"].(map[string]any)["displayName"]; got != "Sales Europe" {
		t.Errorf("the displayName is %v", got)
	}
	c.must(http.StatusConflict, http.MethodPost, "/Groups", `{"schemas":["`+coreGroup.ID+`"],"displayName":"Sales Europe"}`)
	// A user who leaves is gone from the group, too.
	c.must(http.StatusNoContent, http.MethodDelete, "/Users/"+user, "")
	if got := membersOf(c.api.object(groupsResource, name)); len(got) > 0 {
		t.Errorf("the members are %v", got)
	}
	c.must(http.StatusNoContent, http.MethodDelete, "/Groups/"+group, "")
	if c.api.object(groupsResource, name) != nil {
		t.Error("the group still exists")
	}
}

// TestAdoption provisions the members of a group that Git declares.
func TestAdoption(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	declared := map[string]any{"organizationRole": "Viewer", "members": []any{map[string]any{"user": "chief"}}}
	c.api.seed(t, "flux", groupsResource, "france", nil, declared)
	body := `{"schemas":["` + coreGroup.ID + `"],"displayName":"France","members":` + memberList(userID("a", "1")) + `}`
	if a := c.must(http.StatusConflict, http.MethodPost, "/Groups", body); !strings.Contains(a.text("detail"), accessv1alpha1.AnnotationMembers) {
		t.Errorf("got %v", a.body)
	}
	annotated := map[string]any{"annotations": map[string]any{accessv1alpha1.AnnotationMembers: accessv1alpha1.MembersProvisioned}}
	c.api.seed(t, "flux", groupsResource, "france", annotated, declared)
	made := c.must(http.StatusCreated, http.MethodPost, "/Groups", body)
	if got := list(made.body["members"]); len(got) != 1 {
		t.Errorf("the members are %v", got)
	}
	if diff := cmp.Diff([]string{"a", "chief"}, membersOf(c.api.object(groupsResource, "france"))); diff != "" {
		t.Errorf("the members differ (-want +got):\n%s", diff)
	}
	// Another identity provider does not get it.
	c.as("okta").must(http.StatusConflict, http.MethodPost, "/Groups", body)
	c.as("okta").must(http.StatusNotFound, http.MethodDelete, "/Groups/"+made.text("id"), "")
	// Git's members stay, whatever the identity provider sends.
	c.must(http.StatusNoContent, http.MethodPatch, "/Groups/"+made.text("id"), patchBody(`{"op":"replace","path":"members","value":[`+`{"value":"`+userID("b", "1")+`"}]}`))
	if diff := cmp.Diff([]string{"b", "chief"}, membersOf(c.api.object(groupsResource, "france"))); diff != "" {
		t.Errorf("the members differ (-want +got):\n%s", diff)
	}
	c.api.seed(t, "flux", groupsResource, "france", annotated, map[string]any{"organizationRole": "Editor"})
	if diff := cmp.Diff([]string{"b"}, membersOf(c.api.object(groupsResource, "france"))); diff != "" {
		t.Errorf("the members differ (-want +got):\n%s", diff)
	}
	c.must(http.StatusNoContent, http.MethodDelete, "/Groups/"+made.text("id"), "")
	left := c.api.object(groupsResource, "france")
	if left == nil || len(membersOf(left)) > 0 || left["metadata"].(map[string]any)["labels"] != nil {
		t.Errorf("after the deletion: %v", left)
	}
}

// TestParts provisions a group that does not fit into one object.
func TestParts(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	var ids []string
	for i := range 12_000 {
		ids = append(ids, userID(fmt.Sprintf("user%05d@acme.example", i), "1"))
	}
	group := c.createGroup("everyone", ids...)
	sizes := func() []int {
		var found []int
		for part := range 4 {
			if object := c.api.object(groupsResource, partName("everyone", part)); object != nil {
				found = append(found, len(membersOf(object)))
			}
		}
		return found
	}
	if diff := cmp.Diff([]int{5000, 5000, 2000}, sizes()); diff != "" {
		t.Errorf("the parts differ (-want +got):\n%s", diff)
	}
	spec := c.api.object(groupsResource, "everyone")["spec"].(map[string]any)
	if diff := cmp.Diff([]any{"everyone.1", "everyone.2"}, spec["memberGroups"]); diff != "" {
		t.Errorf("memberGroups differ (-want +got):\n%s", diff)
	}
	if got := c.must(http.StatusOK, http.MethodGet, "/Groups", "").body; got["totalResults"] != 1.0 ||
		len(list(list(got["Resources"])[0].(map[string]any)["members"])) != 12_000 {
		t.Errorf("got %v groups", got["totalResults"])
	}
	c.api.take()
	c.must(http.StatusNoContent, http.MethodPatch, "/Groups/"+group, patchBody(`{"op":"Remove","path":"members","value":[{"value":"`+ids[6000]+`"}]}`))
	want := []string{"GET accessgroups/everyone", "GET accessgroups", "PATCH accessgroups/everyone.1"}
	if diff := cmp.Diff(want, c.api.take()); diff != "" {
		t.Errorf("requests differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{5000, 4999, 2000}, sizes()); diff != "" {
		t.Errorf("the parts differ (-want +got):\n%s", diff)
	}
	c.must(http.StatusOK, http.MethodPut, "/Groups/"+group, `{"schemas":["`+coreGroup.ID+`"],"displayName":"everyone","members":`+memberList(ids[:5000]...)+`}`)
	if diff := cmp.Diff([]int{5000}, sizes()); diff != "" {
		t.Errorf("the parts differ (-want +got):\n%s", diff)
	}
	if got := c.api.object(groupsResource, "everyone")["spec"].(map[string]any)["memberGroups"]; got != nil {
		t.Errorf("memberGroups are %v", got)
	}
	c.must(http.StatusNoContent, http.MethodPatch, "/Groups/"+group, patchBody(`{"op":"add","path":"members","value":[{"value":"`+ids[5001]+`"}]}`))
	if diff := cmp.Diff([]int{5000, 1}, sizes()); diff != "" {
		t.Errorf("the parts differ (-want +got):\n%s", diff)
	}
	c.must(http.StatusNoContent, http.MethodDelete, "/Groups/"+group, "")
	if diff := cmp.Diff([]int(nil), sizes()); diff != "" {
		t.Errorf("the parts differ (-want +got):\n%s", diff)
	}
}

// TestPartsAreNamedLast fails the writes of a large change one after the other. The group never names a part that is not
// written, and a repeated request completes the change.
func TestPartsAreNamedLast(t *testing.T) {
	for fail := 1; fail <= 3; fail++ {
		c := newClient(t, UserAttributeUserName)
		group := c.createGroup("everyone")
		var ids []string
		for i := range 10_001 {
			ids = append(ids, userID(fmt.Sprintf("user%05d@acme.example", i), "1"))
		}
		writes := 0
		c.api.refuse = func(r *http.Request) error {
			if r.Method == http.MethodPatch {
				if writes++; writes == fail {
					return errServer
				}
			}
			return nil
		}
		body := `{"schemas":["` + coreGroup.ID + `"],"displayName":"everyone","members":` + memberList(ids...) + `}`
		a := c.must(http.StatusServiceUnavailable, http.MethodPut, "/Groups/"+group, body)
		if said := strings.Contains(a.text("detail"), "have been written"); said != (fail > 1) {
			t.Errorf("write %d fails: %v", fail, a.body)
		}
		if got := c.api.object(groupsResource, "everyone")["spec"].(map[string]any)["memberGroups"]; got != nil {
			t.Errorf("write %d fails, and the group names %v", fail, got)
		}
		c.must(http.StatusOK, http.MethodPut, "/Groups/"+group, body)
		total := 0
		for part := range 3 {
			total += len(membersOf(c.api.object(groupsResource, partName("everyone", part))))
		}
		if total != len(ids) {
			t.Errorf("write %d fails: %d members, want %d", fail, total, len(ids))
		}
	}
}

// TestMemberOfSomebodyElse removes a member whose entry another field manager has, too.
func TestMemberOfSomebodyElse(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	group := c.createGroup("france", userID("a", "1"))
	c.api.seed(t, "kubectl-access", groupsResource, "france", nil, map[string]any{"members": []any{map[string]any{"user": "a"}}})
	a := c.must(http.StatusConflict, http.MethodPatch, "/Groups/"+group, patchBody(`{"op":"remove","path":"members"}`))
	if !strings.Contains(a.text("detail"), `still has member "a"`) || !strings.Contains(a.text("detail"), "kubectl-access") {
		t.Errorf("got %v", a.body)
	}
}
