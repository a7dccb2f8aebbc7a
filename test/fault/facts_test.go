package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

// facts are the statements of a document: by user for an application document, by application for a user document, and
// by organization for an organizations document. Each is a text with the role, the rows, the end and the source.
type facts map[string]string

// outer is the key of the fact of a user document that is not about an application. No application has that name.
const outer = "*"

// documentOf returns the document of a ConfigMap. For all shards of a document it is shard 0.
func documentOf(key types.NamespacedName) (of types.NamespacedName, kind string) {
	kind, subject, _ := publish.ParseName(key.Name)
	if kind == accessv1alpha1.DocumentApplication {
		key.Name = publish.ApplicationName(subject, 0)
	}
	return key, kind
}

// factsIn reads the facts of a ConfigMap. All of its formats must agree.
func factsIn(data map[string]string) (facts, error) {
	text, has := data[document.AccessKey]
	if !has {
		text = data[document.OrganizationsKey]
	}
	read, err := document.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	found := facts{}
	switch {
	case len(read.Applications) == 1:
		d := &read.Applications[0]
		for user, entry := range d.Users {
			found[user] = textOf([]any{entry.Role, d.FiltersOf(user), entry.NotAfter, entry.Source})
		}
		return found, sameInFormats(&read.Applications[0], data)
	case len(read.Users) == 1:
		u := &read.Users[0]
		for application, entry := range u.Applications {
			found[application] = textOf([]any{
				entry.Role, entry.Permissions, u.FiltersOf(application), entry.NotAfter, entry.Source,
			})
		}
		found[outer] = textOf([]any{u.OrganizationRole, u.DefaultRole, u.FiltersOf(outer), u.NotAfter})
		return found, nil
	case len(read.Organizations) == 1:
		for _, o := range read.Organizations[0].Organizations {
			found[o.Name] = textOf(o)
		}
		return found, nil
	default:
		return nil, errors.New("it holds no document")
	}
}

func textOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error() // no two are alike, and none is allowed
	}
	return string(text)
}

// sameInFormats checks that the additional formats agree with access.json.
func sameInFormats(d *document.Application, data map[string]string) error {
	if text, has := data[publish.OPAKey]; has && text != data[document.AccessKey] {
		return fmt.Errorf("%s differs from %s", publish.OPAKey, document.AccessKey)
	}
	given := func(format, user, role string) error {
		if e, has := d.Users[user]; !has || e.Role != role || len(e.Filters) > 0 || !e.NotAfter.IsZero() {
			return fmt.Errorf("%s gives %s the role %s, %s says %s", format, user, role, document.AccessKey, textOf(e))
		}
		return nil
	}
	var failures []error
	for line := range strings.Lines(data[publish.UsersCSVKey]) {
		user, role, _ := strings.Cut(strings.TrimSpace(line), ",")
		failures = append(failures, given(publish.UsersCSVKey, user, role))
	}
	for line := range strings.Lines(data[publish.CasbinKey]) {
		if fields := strings.Split(strings.TrimSpace(line), ", "); fields[0] == "g" && len(fields) == 4 {
			failures = append(failures, given(publish.CasbinKey, fields[1], fields[2]))
		}
	}
	return errors.Join(failures...)
}

// givesNothing reports whether a document of this kind gives nothing to anybody, as one that ends does.
func givesNothing(kind string, said facts) bool {
	if kind == accessv1alpha1.DocumentUser {
		return len(said) == 1 && said[outer] == textOf([]any{
			document.NoAccess, document.NoAccess, document.Nothing(), "0001-01-01T00:00:00Z",
		})
	}
	return len(said) == 0
}

func compareKeys(a, b types.NamespacedName) int {
	return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
}
