package cases

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// The cases of limits have too many objects and values to be read, so they are generated here.

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// valuesOf returns legal values of 100 bytes, so many that a filter of them has about that many KiB.
func valuesOf(kib int) []accessv1alpha1.AttributeValue {
	values := make([]accessv1alpha1.AttributeValue, kib*1024/103)
	for i := range values {
		text := fmt.Sprintf("%d-%d-", kib, i)
		values[i] = accessv1alpha1.AttributeValue(text + strings.Repeat("x", 100-len(text)))
	}
	return values
}

// sees returns a data permission for the rows whose attribute has one of the values, in requirements of a hundred
// values.
func sees(application string, kib int) accessv1alpha1.DataPermission {
	p := accessv1alpha1.DataPermission{Application: accessv1alpha1.ApplicationSelector(application)}
	for values := range slices.Chunk(valuesOf(kib), 100) {
		p.AnyOf = append(p.AnyOf, accessv1alpha1.RowAlternative{AllOf: []accessv1alpha1.RowRequirement{{
			Attribute: "customer", Operator: "In", Values: values,
		}}})
	}
	return p
}

// TestFilterBound tests the bound of R7 (docs/rules.md): applications are processed by the size of their own filters,
// then by name, the default filters last.
func TestFilterBound(t *testing.T) {
	tests := map[string]struct {
		rows   []accessv1alpha1.DataPermission
		hidden []string
	}{
		"all that fits is shown":            {[]accessv1alpha1.DataPermission{sees("a", 30), sees("b", 20), sees("*", 10)}, nil},
		"the largest does not fit":          {[]accessv1alpha1.DataPermission{sees("a", 40), sees("b", 30), sees("c", 5)}, []string{"a"}},
		"what comes after it is hidden too": {[]accessv1alpha1.DataPermission{sees("a", 40), sees("b", 35), sees("*", 1)}, []string{"*", "a"}},
		"the default filters come last":     {[]accessv1alpha1.DataPermission{sees("a", 40), sees("*", 30)}, []string{"*"}},
		"a filter counts once":              {[]accessv1alpha1.DataPermission{sees("a", 40), sees("b", 40), sees("*", 40)}, nil},
		"of the same size by name":          {[]accessv1alpha1.DataPermission{sees("b", 30), sees("a", 30), sees("c", 31), sees("d", 32)}, []string{"d"}},
		"one that is too large by itself":   {[]accessv1alpha1.DataPermission{sees("a", 65), sees("b", 1)}, []string{"a"}},
	}
	for name, tc := range tests {
		for _, strategy := range []accessv1alpha1.ConflictResolution{
			accessv1alpha1.ConflictResolutionMostRestrictive, accessv1alpha1.ConflictResolutionMostPermissive,
		} {
			t.Run(name+", "+string(strategy), func(t *testing.T) {
				r := roster.New(roster.Options{SystemNamespace: "access-system"})
				set(t, r, &accessv1alpha1.AccessPolicy{
					ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "default"},
					Spec:       accessv1alpha1.AccessPolicySpec{ConflictResolution: strategy},
				})
				set(t, r, &accessv1alpha1.AccessGroup{
					ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "viewers"},
					Spec: accessv1alpha1.AccessGroupSpec{
						Members: []accessv1alpha1.Member{{User: "ana"}}, OrganizationRole: "Viewer", DataPermissions: tc.rows,
					},
				})
				r.Settle(june)
				d := r.View().Decision("acme", "ana")
				if diff := cmp.Diff(tc.hidden, d.HiddenRows); diff != "" {
					t.Errorf("hidden (-want +got):\n%s", diff)
				}
				for _, p := range tc.rows {
					name := string(p.Application)
					shown := d.Application(name)
					if name == "*" {
						shown = &d.Default
					}
					if len(shown.Filters) != 1 || (len(shown.Filters[0].AnyOf) == 0) != slices.Contains(tc.hidden, name) {
						t.Errorf("%s shows %d filters", name, len(shown.Filters))
					}
				}
			})
		}
	}
}

// TestInstantsAreCut tests the limit of docs/documents.md, notAfter.
func TestInstantsAreCut(t *testing.T) {
	tests := map[string]struct {
		falls, entries int // the hour at which the entry with the role closes; the number of other entries; one opens each hour
		notAfter       int
		tooMany        bool
	}{
		"as many as are looked at":               {falls: 256, entries: 255, notAfter: 256},
		"one more":                               {falls: 257, entries: 256, notAfter: 256, tooMany: true},
		"a fall before the last one":             {falls: 255, entries: 2000, notAfter: 255},
		"a fall after the last one is not known": {falls: 1999, entries: 2000, notAfter: 256, tooMany: true},
	}
	hour := func(n int) *metav1.Time {
		t := metav1.NewTime(june.Add(time.Duration(n) * time.Hour))
		return &t
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := roster.New(roster.Options{SystemNamespace: "access-system"})
			member := []accessv1alpha1.Member{{User: "ana"}}
			set(t, r, &accessv1alpha1.AccessGroup{
				ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "viewers"},
				Spec: accessv1alpha1.AccessGroupSpec{
					Members: []accessv1alpha1.Member{{User: "ana", NotAfter: hour(tc.falls)}}, OrganizationRole: "Viewer",
					ApplicationAccess: []accessv1alpha1.ApplicationGrant{{Application: "red", Role: "Viewer"}},
				},
			})
			for i := range tc.entries {
				set(t, r, &accessv1alpha1.AccessGroup{
					ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: fmt.Sprintf("readers-%04d", i)},
					Spec: accessv1alpha1.AccessGroupSpec{
						Members:           member,
						ApplicationAccess: []accessv1alpha1.ApplicationGrant{{Application: "red", Role: "Viewer", NotBefore: hour(i + 1)}},
						Privileges:        accessv1alpha1.GroupPrivilegesEnabled,
					},
				})
			}
			// A lower role remains when the first one ends.
			set(t, r, &accessv1alpha1.AccessGroup{
				ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "blocked"},
				Spec: accessv1alpha1.AccessGroupSpec{
					Members:           []accessv1alpha1.Member{{User: "ana", NotBefore: hour(tc.falls)}},
					ApplicationAccess: []accessv1alpha1.ApplicationGrant{{Application: "red", Role: resolve.NoAccess}},
				},
			})
			r.Settle(june)
			d := r.View().Decision("acme", "ana")
			if red := d.Application("red"); !red.NotAfter.Equal(hour(tc.notAfter).Time) || red.IsCutOff() != tc.tooMany {
				t.Errorf("red until %s, cut off: %t; want %s, %t", red.NotAfter, red.IsCutOff(), hour(tc.notAfter), tc.tooMany)
			}
			if want := hour(tc.falls).Time; !d.OrganizationRole.NotAfter.Equal(want) {
				t.Errorf("the organization role, on which one instant bears, until %s, want %s", d.OrganizationRole.NotAfter, want)
			}
			if d.TooManyWindows != tc.tooMany {
				t.Errorf("too many windows: %t, want %t", d.TooManyWindows, tc.tooMany)
			}
		})
	}
}
