package schema_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/internal/schema"
)

const group = `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: editors, namespace: acme}
spec:
  members: [{user: ana@acme.example}]
  applicationAccess: [{application: red, role: Editor}]
`

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		object string
		want   []string // the prefix of each error
	}{
		"a valid object": {object: group},
		"a user with white space": {
			object: strings.Replace(group, "ana@acme.example", "two words", 1),
			want: []string{
				"spec.members[0].user: Invalid value: \"two words\": spec.members[0].user in body should match",
				"spec.members[0].user: Invalid value: \"two words\": it has white space in it; a user has no white space, no control",
			},
		},
		"a user with a backslash": {
			object: strings.Replace(group, "ana@acme.example", `acme\amelie`, 1),
			want: []string{
				"spec.members[0].user: Invalid value: \"acme\\\\amelie\": spec.members[0].user in body should match",
				"spec.members[0].user: Invalid value: \"acme\\\\amelie\": it has a backslash in it; a user",
			},
		},
		"an application that is not a label": {
			object: strings.Replace(group, "application: red", "application: Crates.io", 1),
			want: []string{
				"spec.applicationAccess[0].application: Invalid value: \"Crates.io\": spec.applicationAccess[0].application in body should match",
				"spec.applicationAccess[0].application: Invalid value: \"Crates.io\": an application is a DNS label: lower-case letters, digits and -; " +
					"write crates-io, and give its ApplicationAccess the displayName Crates.io",
			},
		},
		"a member twice": {
			object: strings.Replace(group, "[{user: ana@acme.example}]", "[{user: ana}, {user: ana}]", 1),
			want:   []string{"spec.members[1]: Duplicate value"},
		},
		"a rule in CEL": {
			object: group + "  systemAccess: [{organization: acme, role: Observer}]\n",
			want:   []string{"spec.systemAccess: Forbidden"},
		},
		"a name that no object has": {
			object: strings.Replace(group, "name: editors", "name: Editors", 1),
			want:   []string{"metadata.name: Invalid value"},
		},
		"another type": {
			object: strings.Replace(group, "role: Editor", "role: 7", 1),
			want:   []string{"spec.applicationAccess[0].role: Invalid value"},
		},
		"an enum": {
			object: group + "  privileges: Maybe\n",
			want:   []string{"spec.privileges: Unsupported value"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(tc.object), &object); err != nil {
				t.Fatal(err)
			}
			got, err := schema.Validate(t.Context(), object)
			if err != nil {
				t.Fatal(err)
			}
			ok := len(got) == len(tc.want)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.HasPrefix(got[i].Error(), tc.want[i])
			}
			if !ok {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
