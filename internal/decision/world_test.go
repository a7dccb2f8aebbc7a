package decision

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

var june = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// acme is the organization of the tests. Amelie sees rows of finance in France. Ben sees all rows of finance as
// Editor. Cy sees no row of sealed. Dee has every application by default. Eve has finance until one o'clock. Kim is
// suspended.
const acme = `
apiVersion: v1
kind: Namespace
metadata: {name: acme}
---
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {namespace: acme, name: finance}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {namespace: acme, name: sealed}
spec: {unmatchedRows: None}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {namespace: acme, name: france}
spec:
  members: [{user: amelie}]
  applicationAccess: [{application: finance, role: Viewer}]
  dataPermissions:
  - application: finance
    anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}, {attribute: amount, operator: LessThan, values: ["1000"]}]}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {namespace: acme, name: editors}
spec:
  members: [{user: ben}, {user: kim}]
  applicationAccess: [{application: finance, role: Editor}, {application: sales, role: Viewer}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {namespace: acme, name: sealed}
spec:
  members: [{user: cy}]
  applicationAccess: [{application: sealed, role: Viewer}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {namespace: acme, name: administrators}
spec:
  members: [{user: dee}]
  organizationRole: Administrator
  dataPermissions:
  - application: sealed
    anyOf: [{allOf: [{attribute: open, operator: In, values: ["true"]}]}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {namespace: acme, name: today}
spec:
  members: [{user: eve, notAfter: "2026-06-01T13:00:00Z"}]
  applicationAccess: [{application: finance, role: Viewer}]
---
apiVersion: access.usher.dev/v1alpha1
kind: UserAccess
metadata: {namespace: acme, name: kim}
spec: {user: kim, state: Suspended}
`

// viewOf returns the view of the objects at noon.
func viewOf(tb testing.TB, objects string) *roster.View {
	tb.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, accessv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			tb.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	r := roster.New(roster.Options{SystemNamespace: "access-system", HasNamespaces: true})
	for text := range strings.SplitSeq(objects, "\n---\n") {
		object, _, err := decoder.Decode([]byte(text), nil, nil)
		if err != nil {
			tb.Fatalf("%v in:\n%s", err, text)
		}
		if err := r.Set(object); err != nil {
			tb.Fatal(err)
		}
	}
	r.Settle(june)
	return r.View()
}
