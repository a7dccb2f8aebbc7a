package scim

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

const ana = "ana@acme.example"

var (
	usersResource  = kindUserAccess.resource
	groupsResource = kindAccessGroup.resource
	anaName        = identity.Name(ana)
)

// entraUser is how Entra ID creates a user.
const entraUser = `{
	"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	"externalId": "0a21f0f2", "userName": "ana@acme.example", "active": "True", "displayName": "Ana",
	"emails": [{"primary": true, "type": "work", "value": "ana.mail@acme.example"}],
	"name": {"formatted": "Ana A", "familyName": "A", "givenName": "Ana"}, "title": "Engineer", "roles": [],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "employeeNumber": "7", "manager": "somebody"},
	"meta": {"resourceType": "User"}
}`

// TestLifeOfAUser plays what an identity provider does with a user, from joining to leaving.
func TestLifeOfAUser(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	made := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser)
	id := made.text("id")
	if !strings.HasPrefix(id, userID(ana, "")+".") {
		t.Errorf("the id is %q", id)
	}
	if want := "https://scim.example/acme/v2/Users/" + id; made.header.Get("Location") != want {
		t.Errorf("the location is %q, want %q", made.header.Get("Location"), want)
	}
	want := map[string]any{
		"user": ana, "displayName": "Ana", "email": "ana.mail@acme.example", "state": "Active",
		"attributes": []any{
			map[string]any{"name": "department", "values": []any{"Sales"}},
			map[string]any{"name": "employeeNumber", "values": []any{"7"}},
		},
	}
	stored := c.api.object(usersResource, anaName)
	if diff := cmp.Diff(want, stored["spec"]); diff != "" {
		t.Errorf("the spec differs (-want +got):\n%s", diff)
	}
	metadata := stored["metadata"].(map[string]any)
	wantLabels := map[string]any{
		accessv1alpha1.LabelProvisionedBy: testProvider, accessv1alpha1.LabelUserNameDigest: foldedDigest("ANA@acme.example"),
		accessv1alpha1.LabelDisplayNameDigest: foldedDigest("ana"), accessv1alpha1.LabelExternalIDDigest: exactDigest("0a21f0f2"),
	}
	if diff := cmp.Diff(wantLabels, metadata["labels"]); diff != "" {
		t.Errorf("the labels differ (-want +got):\n%s", diff)
	}
	got := c.must(http.StatusOK, http.MethodGet, "/Users/"+id, "")
	if diff := cmp.Diff(made.body, got.body); diff != "" {
		t.Errorf("GET differs from POST (-POST +GET):\n%s", diff)
	}
	if got.body["active"] != true || got.body["externalId"] != "0a21f0f2" || got.header.Get("Etag") == "" {
		t.Errorf("got %v", got)
	}

	c.must(http.StatusConflict, http.MethodPost, "/Users", entraUser)
	c.api.take()
	// The same again writes nothing.
	c.must(http.StatusOK, http.MethodPut, "/Users/"+id, entraUser)
	if diff := cmp.Diff([]string{"GET useraccesses/" + anaName}, c.api.take()); diff != "" {
		t.Errorf("requests differ (-want +got):\n%s", diff)
	}
	suspended := c.must(http.StatusOK, http.MethodPatch, "/Users/"+id, patchBody(`{"op":"Replace","path":"active","value":"False"}`))
	if diff := cmp.Diff([]string{"GET useraccesses/" + anaName, "PATCH useraccesses/" + anaName}, c.api.take()); diff != "" {
		t.Errorf("requests differ (-want +got):\n%s", diff)
	}
	if suspended.body["active"] != false || c.api.object(usersResource, anaName)["spec"].(map[string]any)["state"] != "Suspended" {
		t.Errorf("the user is not suspended: %v", suspended.body)
	}
	c.must(http.StatusOK, http.MethodPatch, "/Users/"+id, patchBody(`{"op":"replace","value":{"active":true}}`))
	if c.api.object(usersResource, anaName)["spec"].(map[string]any)["state"] != "Active" {
		t.Error("the user is still suspended")
	}
	c.must(http.StatusNoContent, http.MethodDelete, "/Users/"+id, "")
	c.must(http.StatusNotFound, http.MethodGet, "/Users/"+id, "")
	c.must(http.StatusNotFound, http.MethodDelete, "/Users/"+id, "")
	if c.createUser(ana) == id {
		t.Error("a user that is created again has the same id")
	}
}

// TestPatchUser applies the operations that identity providers send to the user that Entra ID has created.
func TestPatchUser(t *testing.T) {
	enterprise := enterpriseSchema
	for name, tc := range map[string]struct {
		operations []string
		code       int // 200 if absent
		want       func(spec map[string]any)
		detail     string
	}{
		"Entra ID: mail of a selected address": {
			operations: []string{`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@acme.example"}`},
			want:       func(spec map[string]any) { spec["email"] = "new@acme.example" },
		},
		"another address": {
			operations: []string{`{"op":"Replace","path":"emails[type eq \"home\"].value","value":"new@acme.example"}`},
		},
		"Entra ID: names with dots without a path": {
			operations: []string{`{"op":"Replace","value":{"displayName":"Ana B","name.givenName":"Ana","` + enterprise + `:department":"Finance"}}`},
			want: func(spec map[string]any) {
				spec["displayName"] = "Ana B"
				spec["attributes"].([]any)[0].(map[string]any)["values"] = []any{"Finance"}
			},
		},
		"an extension as an object without a path": {
			operations: []string{`{"op":"add","value":{"` + enterprise + `":{"department":"Finance","manager":"x"}}}`},
			want: func(spec map[string]any) {
				spec["attributes"].([]any)[0].(map[string]any)["values"] = []any{"Finance"}
			},
		},
		"Entra ID: an attribute of an extension": {
			operations: []string{`{"op":"Add","path":"` + enterprise + `:department","value":"Finance"}`, `{"op":"Remove","path":"` + enterprise + `:employeeNumber"}`},
			want: func(spec map[string]any) {
				spec["attributes"] = []any{map[string]any{"name": "department", "values": []any{"Finance"}}}
			},
		},
		"Okta: id and active without a path": {
			operations: []string{`{"op":"replace","value":{"id":"whatever","active":false}}`},
			want:       func(spec map[string]any) { spec["state"] = "Suspended" },
		},
		"null is a removal": {
			operations: []string{`{"op":"Replace","path":"emails","value":null}`},
			want:       func(spec map[string]any) { delete(spec, "email") },
		},
		"an empty text is a removal": {
			operations: []string{`{"op":"replace","path":"displayName","value":""}`},
			want:       func(spec map[string]any) { spec["displayName"] = ana },
		},
		"attributes that Usher does not keep": {
			operations: []string{`{"op":"Replace","path":"name.familyName","value":"B"}`, `{"op":"Replace","path":"` + enterprise + `:manager","value":"x"}`, `{"op":"Add","path":"title","value":"Boss"}`},
		},
		"Entra ID: selected values that Usher does not keep": {
			operations: []string{
				`{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"1"}`, `{"op":"Replace","path":"addresses[type eq \"work\"].country","value":"FR"}`,
				`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"Admin"}`,
			},
		},
		"the same identity": {operations: []string{`{"op":"Replace","path":"userName","value":"ana@acme.example"}`}},
		"another identity": {
			operations: []string{`{"op":"Replace","path":"userName","value":"bea@acme.example"}`},
			code:       http.StatusBadRequest, detail: "create another",
		},
		"an identity in another case": {
			operations: []string{`{"op":"Replace","path":"userName","value":"Ana@acme.example"}`},
			code:       http.StatusBadRequest, detail: "create another",
		},
		"an unknown path":      {operations: []string{`{"op":"replace","path":"shoeSize","value":"44"}`}, code: http.StatusBadRequest, detail: `path "shoeSize"`},
		"an unknown extension": {operations: []string{`{"op":"replace","path":"urn:x:User:shoeSize","value":"44"}`}, code: http.StatusBadRequest, detail: "no such attribute"},
		"no path":              {operations: []string{`{"op":"replace","path":"a b[","value":"44"}`}, code: http.StatusBadRequest, detail: "not the path"},
		"an unknown operation": {operations: []string{`{"op":"move","path":"active","value":true}`}, code: http.StatusBadRequest, detail: "must be add, remove or replace"},
		"no operations":        {code: http.StatusBadRequest, detail: "at least one operation"},
		"a removal of nothing": {operations: []string{`{"op":"remove"}`}, code: http.StatusBadRequest, detail: "name the attribute"},
		"the id":               {operations: []string{`{"op":"replace","path":"id","value":"x"}`}, code: http.StatusBadRequest, detail: "cannot be changed"},
		"no boolean":           {operations: []string{`{"op":"replace","path":"active","value":"maybe"}`}, code: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, UserAttributeUserName)
			id := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser).text("id")
			want := c.api.object(usersResource, anaName)["spec"].(map[string]any)
			if tc.want != nil {
				tc.want(want)
			}
			if tc.code == 0 {
				tc.code = http.StatusOK
			}
			a := c.must(tc.code, http.MethodPatch, "/Users/"+id, patchBody(tc.operations...))
			if !strings.Contains(a.text("detail"), tc.detail) {
				t.Errorf("the detail %q does not say %q", a.text("detail"), tc.detail)
			}
			if diff := cmp.Diff(want, c.api.object(usersResource, anaName)["spec"]); diff != "" {
				t.Errorf("the spec differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCreateUserRefused creates users that Usher cannot keep, or that exist.
func TestCreateUserRefused(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	c.createUser(ana)
	c.api.seed(t, "flux", usersResource, identity.Name("git@acme.example"), nil, map[string]any{"user": "git@acme.example", "displayName": "Git"})
	for name, tc := range map[string]struct {
		userName string
		code     int
		scimType string
		detail   string
	}{
		"white space":        {"ana b", http.StatusBadRequest, "invalidValue", "cannot be the identity"},
		"a quote":            {`ana"b`, http.StatusBadRequest, "invalidValue", "cannot be the identity"},
		"300 characters":     {strings.Repeat("a", 300), http.StatusBadRequest, "invalidValue", "more than 253 characters"},
		"empty":              {"", http.StatusBadRequest, "invalidValue", ""},
		"it exists":          {ana, http.StatusConflict, "uniqueness", "exists"},
		"in another case":    {"ANA@acme.example", http.StatusConflict, "uniqueness", "differ only in case"},
		"somebody else's":    {"git@acme.example", http.StatusConflict, "", "field managers are flux"},
		"control characters": {"ana\u0007", http.StatusBadRequest, "invalidValue", "cannot be the identity"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"schemas":["` + coreUser.ID + `"],"userName":` + quoted(tc.userName) + `}`
			a := c.must(tc.code, http.MethodPost, "/Users", body)
			if a.text("scimType") != tc.scimType || !strings.Contains(a.text("detail"), tc.detail) {
				t.Errorf("got %v", a.body)
			}
		})
	}
}

// TestTakeOver creates a user whose UserAccess Usher has materialized.
func TestTakeOver(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	label := map[string]any{"labels": map[string]any{accessv1alpha1.LabelMaterialized: "true"}}
	c.api.seed(t, "usher", usersResource, anaName, label, map[string]any{"user": ana})
	c.createUser(ana)
	want := map[string]any{"user": ana, "displayName": ana, "state": "Active"}
	if diff := cmp.Diff(want, c.api.object(usersResource, anaName)["spec"]); diff != "" {
		t.Errorf("the spec differs (-want +got):\n%s", diff)
	}
	// One that Git has taken over before is Git's.
	bea := "bea@acme.example"
	c.api.seed(t, "usher", usersResource, identity.Name(bea), label, map[string]any{"user": bea})
	c.api.seed(t, "flux", usersResource, identity.Name(bea), nil, map[string]any{"user": bea, "email": bea})
	c.must(http.StatusConflict, http.MethodPost, "/Users", `{"schemas":["`+coreUser.ID+`"],"userName":"`+bea+`"}`)
}

// TestUserAttribute uses other attributes than userName as the identity.
func TestUserAttribute(t *testing.T) {
	c := newClient(t, UserAttributeExternalID)
	made := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser)
	name := identity.Name("0a21f0f2")
	if got := c.api.object(usersResource, name)["spec"].(map[string]any)["user"]; got != "0a21f0f2" {
		t.Errorf("the user is %v", got)
	}
	if made.text("userName") != ana {
		t.Errorf("the userName is %q", made.text("userName"))
	}
	renamed := c.must(http.StatusOK, http.MethodPatch, "/Users/"+made.text("id"), patchBody(`{"op":"replace","path":"userName","value":"anna@acme.example"}`))
	if renamed.text("userName") != "anna@acme.example" {
		t.Errorf("the userName is %q", renamed.text("userName"))
	}
	if got := c.must(http.StatusOK, http.MethodGet, "/Users?filter=userName+eq+%22Anna@acme.example%22", "").body["totalResults"]; got != 1.0 {
		t.Errorf("%v users have the name", got)
	}
	c = newClient(t, UserAttributePrimaryEmail)
	c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser)
	if c.api.object(usersResource, identity.Name("ana.mail@acme.example")) == nil {
		t.Error("there is no UserAccess of the address")
	}
	c.must(http.StatusBadRequest, http.MethodPost, "/Users", `{"schemas":["`+coreUser.ID+`"],"userName":"x"}`)
}

// TestListUsers filters and pages.
func TestListUsers(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	ids := map[string]string{}
	for _, name := range []string{"a@x", "b@x", "c@x"} {
		ids[name] = c.createUser(name)
	}
	c.as("okta").createUser("d@x")
	for name, tc := range map[string]struct {
		query string
		code  int
		total float64
		names []string
	}{
		"all of the caller":           {query: "", total: 3, names: []string{"a@x", "b@x", "c@x"}},
		"Okta's probe":                {query: "?startIndex=1&count=2", total: 3, names: []string{"a@x", "b@x"}},
		"the second page":             {query: "?startIndex=3&count=2", total: 3, names: []string{"c@x"}},
		"behind the last":             {query: "?startIndex=9", total: 3},
		"the number only":             {query: "?count=0", total: 3},
		"userName":                    {query: "?filter=userName+eq+%22B@X%22", total: 1, names: []string{"b@x"}},
		"of a schema":                 {query: "?filter=urn:ietf:params:scim:schemas:core:2.0:User:userName+eq+%22b@x%22", total: 1, names: []string{"b@x"}},
		"nobody":                      {query: "?filter=userName+eq+%22z@x%22", total: 0},
		"another identity provider's": {query: "?filter=userName+eq+%22d@x%22", total: 0},
		"id":                          {query: "?filter=id+eq+%22" + ids["c@x"] + "%22", total: 1, names: []string{"c@x"}},
		"id and userName":             {query: "?filter=id+eq+%22" + ids["c@x"] + "%22+and+userName+eq+%22a@x%22", total: 0},
		"an operator":                 {query: "?filter=userName+sw+%22a%22", code: http.StatusBadRequest},
		"or":                          {query: "?filter=userName+eq+%22a%22+or+userName+eq+%22b%22", code: http.StatusBadRequest},
		"an unknown attribute":        {query: "?filter=shoeSize+eq+%2244%22", code: http.StatusBadRequest},
		"no filter":                   {query: "?filter=userName+eq", code: http.StatusBadRequest},
		"no number":                   {query: "?count=x", code: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.code == 0 {
				tc.code = http.StatusOK
			}
			a := c.must(tc.code, http.MethodGet, "/Users"+tc.query, "")
			if tc.code != http.StatusOK {
				return
			}
			var names []string
			for _, each := range list(a.body["Resources"]) {
				names = append(names, each.(map[string]any)["userName"].(string))
			}
			if diff := cmp.Diff(tc.names, names); diff != "" || a.body["totalResults"] != tc.total {
				t.Errorf("got %v users (-want +got):\n%s", a.body["totalResults"], diff)
			}
			if a.body["Resources"] == nil {
				t.Error("Resources is null")
			}
		})
	}
}

// TestReturnedAttributes asks for some attributes.
func TestReturnedAttributes(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	id := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser).text("id")
	for query, want := range map[string][]string{
		"?attributes=userName,emails.value":               {"emails", "id", "meta", "schemas", "userName"},
		"?attributes=" + enterpriseSchema + ":department": {"id", "meta", "schemas", enterpriseSchema},
		"?excludedAttributes=emails,DISPLAYNAME":          {"active", "externalId", "id", "meta", "schemas", enterpriseSchema, "userName"},
	} {
		got := c.must(http.StatusOK, http.MethodGet, "/Users/"+id+query, "").body
		if diff := cmp.Diff(want, sortedKeys(got)); diff != "" {
			t.Errorf("%s: attributes differ (-want +got):\n%s", query, diff)
		}
	}
}

// TestPreconditions sends If-Match.
func TestPreconditions(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	made := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser)
	id, tag := made.text("id"), made.header.Get("Etag")
	suspend := patchBody(`{"op":"replace","path":"active","value":false}`)
	c.must(http.StatusPreconditionFailed, http.MethodPatch, "/Users/"+id, suspend, "If-Match", `W/"other"`)
	c.must(http.StatusOK, http.MethodPatch, "/Users/"+id, suspend, "If-Match", `W/"other", `+tag)
	c.must(http.StatusPreconditionFailed, http.MethodPut, "/Users/"+id, entraUser, "If-Match", tag)
	c.must(http.StatusPreconditionFailed, http.MethodDelete, "/Users/"+id, "", "If-Match", tag)
	c.must(http.StatusNoContent, http.MethodDelete, "/Users/"+id, "", "If-Match", "*")
}

// TestErrorsOfTheAPIServer passes on what the API server says.
func TestErrorsOfTheAPIServer(t *testing.T) {
	resource := schema.GroupResource{Group: accessv1alpha1.GroupVersion.Group, Resource: usersResource}
	for name, tc := range map[string]struct {
		err    error
		code   int
		detail string
		retry  bool
	}{
		"admission":     {apierrors.NewForbidden(resource, anaName, errors.New("needs the right to grant Editor")), http.StatusForbidden, "right to grant Editor", false},
		"no such token": {apierrors.NewUnauthorized("no"), http.StatusUnauthorized, "does not accept the token", false},
		"busy":          {apierrors.NewTooManyRequests("later", 0), http.StatusTooManyRequests, "later", true},
		"broken":        {apierrors.NewInternalError(errors.New("etcd is gone")), http.StatusServiceUnavailable, "etcd is gone", true},
		"too large":     {apierrors.NewRequestEntityTooLargeError("too large"), http.StatusRequestEntityTooLarge, "too large", false},
		"invalid":       {apierrors.NewInvalid(schema.GroupKind{Kind: "UserAccess"}, anaName, nil), http.StatusBadRequest, "is invalid", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, UserAttributeUserName)
			c.api.refuse = func(r *http.Request) error {
				if r.Method == http.MethodPatch {
					return tc.err
				}
				return nil
			}
			a := c.must(tc.code, http.MethodPost, "/Users", entraUser)
			if !strings.Contains(a.text("detail"), tc.detail) || (a.header.Get("Retry-After") != "") != tc.retry {
				t.Errorf("got %v with %v", a.body, a.header)
			}
			if a.body["status"] == nil || a.header.Get("Content-Type") != mediaType {
				t.Errorf("not a SCIM error: %v with %v", a.body, a.header)
			}
		})
	}
}

// TestConflicts changes the object between reading and writing.
func TestConflicts(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	id := c.must(http.StatusCreated, http.MethodPost, "/Users", entraUser).text("id")
	resource := schema.GroupResource{Group: accessv1alpha1.GroupVersion.Group, Resource: usersResource}
	conflicts := 2
	c.api.refuse = func(r *http.Request) error {
		if r.Method == http.MethodPatch && conflicts > 0 {
			conflicts--
			return apierrors.NewConflict(resource, anaName, errors.New("it has changed"))
		}
		return nil
	}
	suspend := patchBody(`{"op":"replace","path":"active","value":false}`)
	c.must(http.StatusOK, http.MethodPatch, "/Users/"+id, suspend)
	conflicts = 1000
	a := c.must(http.StatusServiceUnavailable, http.MethodPatch, "/Users/"+id, patchBody(`{"op":"replace","path":"active","value":true}`))
	if !strings.Contains(a.text("detail"), "keeps changing") {
		t.Errorf("got %v", a.body)
	}
	// Another field manager's value is not a reason to try again.
	conflicts = 0
	c.api.seed(t, "flux", usersResource, anaName, nil, map[string]any{"user": ana, "displayName": "Ana"})
	a = c.must(http.StatusConflict, http.MethodPatch, "/Users/"+id, patchBody(`{"op":"replace","path":"displayName","value":"Other"}`))
	if !strings.Contains(a.text("detail"), "flux") {
		t.Errorf("got %v", a.body)
	}
}
