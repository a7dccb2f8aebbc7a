package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
)

func TestOfferExceeds(t *testing.T) {
	later, past := june.Add(time.Hour), june.Add(-time.Hour)
	for name, tc := range map[string]struct {
		published, decided offer
		want               bool
	}{
		"the same":                      {offer{rung: 1}, offer{rung: 1}, false},
		"a higher role":                 {offer{rung: 0}, offer{rung: 1}, true},
		"a lower role":                  {offer{rung: 2}, offer{rung: 1}, false},
		"a role that no ladder has":     {offer{rung: rungUnknown}, offer{rung: 0}, true},
		"no access":                     {offer{rung: rungNone}, offer{rung: rungNone}, false},
		"access instead of none":        {offer{rung: 5}, offer{rung: rungNone}, true},
		"access that is over":           {offer{rung: 0, notAfter: past}, offer{rung: rungNone}, false},
		"access that ends now":          {offer{rung: 0, notAfter: june}, offer{rung: rungNone}, false},
		"no end":                        {offer{rung: 1}, offer{rung: 1, notAfter: later}, true},
		"a later end":                   {offer{rung: 1, notAfter: later.Add(1)}, offer{rung: 1, notAfter: later}, true},
		"an earlier end":                {offer{rung: 1, notAfter: later}, offer{rung: 1, notAfter: later.Add(1)}, false},
		"an end where there is none":    {offer{rung: 1, notAfter: later}, offer{rung: 1}, false},
		"every row":                     {offer{rung: 1}, offer{rung: 1, filters: []string{"a"}}, true},
		"other rows":                    {offer{rung: 1, filters: []string{"b"}}, offer{rung: 1, filters: []string{"a"}}, true},
		"one filter less":               {offer{rung: 1, filters: []string{"a"}}, offer{rung: 1, filters: []string{"a", "b"}}, true},
		"one filter more":               {offer{rung: 1, filters: []string{"a", "b"}}, offer{rung: 1, filters: []string{"b"}}, false},
		"rows hidden that may be seen":  {offer{rung: 1, filters: []string{"a"}}, offer{rung: 1}, false},
		"a permission more":             {offer{rung: 1, permissions: []string{"x", "y"}}, offer{rung: 1, permissions: []string{"x"}}, true},
		"a permission less":             {offer{rung: 1, permissions: []string{"x"}}, offer{rung: 1, permissions: []string{"x", "y"}}, false},
		"a lower role with another one": {offer{rung: 2, permissions: []string{"z"}}, offer{rung: 1, permissions: []string{"x"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.published.exceeds(&tc.decided, june); got != tc.want {
				t.Errorf("exceeds is %t, want %t", got, tc.want)
			}
		})
	}
}

// TestPublishedDocumentsAreCompared compares documents that a ConfigMap may hold with the decision for ana: Viewer in
// red, rows of France, and nothing anywhere else.
func TestPublishedDocumentsAreCompared(t *testing.T) {
	const ana = "ana@acme.example"
	declared := roster.New(roster.Options{SystemNamespace: "access-system"})
	group := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "team"}}
	group.Spec.Members = []accessv1alpha1.Member{{User: ana}}
	group.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: "red", Role: "Viewer"}}
	if err := declared.Set(group); err != nil {
		t.Fatal(err)
	}
	declared.Settle(june)
	red := Output{ApplicationDocument, "acme", "red"}
	user := Output{UserDocument, "acme", identity.Name(ana)}
	organizations := Output{OrganizationsDocument, "access-system", identity.Name(ana)}
	application := func(users string) string {
		return `{"apiVersion":"access.usher.dev/v1","application":"red","kind":"ApplicationAccessDocument","organization":"acme",` +
			`"roles":[{"name":"Editor","permissions":["edit","view"]},{"name":"Viewer","permissions":["view"]}],` +
			`"shard":0,"shards":1,"users":{` + users + `}}`
	}
	ofUser := func(fields string) string {
		return `{"apiVersion":"access.usher.dev/v1",` + fields + `,"kind":"UserAccessDocument","organization":"acme",` +
			`"organizationRole":"NoAccess","user":"ana@acme.example"}`
	}
	for name, tc := range map[string]struct {
		at       Output
		text     string
		unwanted bool
		more     bool
		users    []string
	}{
		"as decided":         {at: red, text: application(`"ana@acme.example":{"role":"Viewer","source":"x"}`)},
		"nobody":             {at: red, text: application("")},
		"a higher role":      {red, application(`"ana@acme.example":{"role":"Editor","source":"x"}`), false, true, []string{ana}},
		"somebody else":      {red, application(`"ben@acme.example":{"role":"Viewer","source":"x"}`), false, true, []string{"ben@acme.example"}},
		"should not be":      {red, application(`"ana@acme.example":{"role":"Viewer","source":"x"}`), true, true, []string{ana}},
		"no document":        {red, "{", false, true, nil},
		"no key":             {at: red},
		"the user's own":     {at: user, text: ofUser(`"applications":{"red":{"permissions":["view"],"role":"Viewer","source":"x"}},"defaultRole":"NoAccess"`)},
		"another app":        {user, ofUser(`"applications":{"blue":{"permissions":["view"],"role":"Viewer","source":"x"}},"defaultRole":"NoAccess"`), false, true, []string{ana}},
		"a default":          {user, ofUser(`"applications":{},"defaultRole":"Viewer"`), false, true, []string{ana}},
		"more permissions":   {user, ofUser(`"applications":{"red":{"permissions":["edit","view"],"role":"Viewer","source":"x"}},"defaultRole":"NoAccess"`), false, true, []string{ana}},
		"an organization":    {organizations, `{"apiVersion":"access.usher.dev/v1","kind":"UserOrganizationsDocument","organizations":[{"name":"acme","organizationRole":"NoAccess"}],"user":"ana@acme.example"}`, false, false, nil},
		"a role in it":       {organizations, `{"apiVersion":"access.usher.dev/v1","kind":"UserOrganizationsDocument","organizations":[{"name":"acme","organizationRole":"Viewer"}],"user":"ana@acme.example"}`, false, true, []string{ana}},
		"one not entered":    {organizations, `{"apiVersion":"access.usher.dev/v1","kind":"UserOrganizationsDocument","organizations":[{"name":"globex","organizationRole":"NoAccess"}],"user":"ana@acme.example"}`, false, true, []string{ana}},
		"one without a user": {organizations, `{"apiVersion":"access.usher.dev/v1","kind":"UserOrganizationsDocument","organizations":[],"user":"ana@acme.example"}`, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := &comparison{view: declared.View(), at: tc.at, wanted: !tc.unwanted, now: june, more: map[string]struct{}{},
				restricting: map[roster.Object]struct{}{}}
			cm := &corev1.ConfigMap{Data: map[string]string{document.AccessKey: tc.text, document.OrganizationsKey: tc.text}}
			if tc.text == "" {
				cm.Data = nil
			}
			if got := c.givesMore(cm); got != tc.more {
				t.Errorf("gives more: %t, want %t", got, tc.more)
			}
			var users []string
			for user := range c.more {
				users = append(users, user)
			}
			if diff := cmp.Diff(tc.users, users); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRenderedDocumentsGiveNoMore renders the decisions and compares the result with them. A document as rendered must
// never count as a loss.
func TestRenderedDocumentsGiveNoMore(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{publish: {minimumShards: 2}}")
	w.declare(&accessv1alpha1.ApplicationAccess{}, "blue", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team", "{members: [{user: ana@acme.example}, {user: ben@acme.example, notAfter: "+
		"'2030-01-01T00:00:00Z'}], organizationRole: Viewer, applicationAccess: [{application: red, role: Editor}], "+
		"dataPermissions: [{application: '*', anyOf: [{allOf: [{attribute: country, operator: In, values: [France, '<&>']}]}]}]}")
	w.declare(&accessv1alpha1.AccessGroup{}, "rows", "{members: [{user: ana@acme.example}], "+
		"dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: product, operator: NotIn, values: [x, y]}]}]}]}")
	compared := 0
	for _, key := range w.reconciler.Publisher.Observed.Keys() {
		o, _ := documentAt(key)
		cm, err := w.reconciler.Publisher.Read(t.Context(), key)
		if err != nil || cm == nil {
			t.Fatalf("reading %s: %v, %v", key, cm, err)
		}
		c := &comparison{view: w.reconciler.view(), at: o, wanted: true, now: w.now, more: map[string]struct{}{},
			restricting: map[roster.Object]struct{}{}}
		if c.givesMore(cm) {
			t.Errorf("%s gives more than is decided to %v: %s", key, c.more, cm.Data[document.AccessKey])
		}
		compared++
	}
	if compared != 5 { // two shards, one application, two users
		t.Errorf("%d documents compared, want 5", compared)
	}
}
