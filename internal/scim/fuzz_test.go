package scim

import (
	"encoding/json"
	"slices"
	"testing"

	scim "github.com/elimity-com/scim"
	parser "github.com/scim2/filter-parser/v2"
)

// FuzzNormalizePatch holds that what is normalized has known operations with paths, and can be applied.
func FuzzNormalizePatch(f *testing.F) {
	for _, operations := range []string{
		`{"op":"Replace","value":{"displayName":"A","` + enterpriseSchema + `:department":"B"}}`,
		`{"op":"add","value":{"` + enterpriseSchema + `":{"department":"C"}}}`,
		`{"op":"Remove","path":"emails[type eq \"work\"].value"}`,
		`{"op":"replace","path":"active","value":"False"}`,
		`{"op":"remove","path":"members[value eq \"YQ.1\" or value eq \"Yg.1\"]"}`,
		`{"op":"Add","path":"members","value":[{"value":"YQ.1"}]}`,
	} {
		f.Add([]byte(patchBody(operations)))
	}
	attributes, err := NewAttributes([]string{"title=title"})
	if err != nil {
		f.Fatal(err)
	}
	server := NewServer(Options{UserAttribute: UserAttributeUserName, Attributes: attributes})
	mapping := &userMapping{UserAttributeUserName, attributes}
	f.Fuzz(func(t *testing.T, body []byte) {
		for resource, kind := range server.kinds {
			normalized, count, err := kind.normalizePatch(body)
			if err != nil {
				continue
			}
			var request struct{ Operations []operation }
			if err := json.Unmarshal(normalized, &request); err != nil || len(request.Operations) != count {
				t.Fatalf("%q became %q with %d operations: %v", body, normalized, count, err)
			}
			u, c := &user{attributes: map[string][]string{}}, &groupChange{members: members{}}
			for _, o := range request.Operations {
				path, err := parser.ParsePath([]byte(o.Path))
				if err != nil || !slices.Contains([]string{"add", "remove", "replace"}, o.Op) {
					t.Fatalf("%q became the operation %v: %v", body, o, err)
				}
				// An error is fine, and a panic is not.
				if made := (scim.PatchOperation{Op: o.Op, Path: &path, Value: o.Value}); resource == resourceUsers {
					_ = mapping.patch(u, made)
				} else {
					_ = c.patch(made)
				}
			}
		}
	})
}
