package delivery

import "testing"

func TestALineNamesAnApplicationByItsDisplayName(t *testing.T) {
	for title, want := range map[string]string{"crates.io": "crates.io", "": "crates-io"} {
		c := &Change{Kind: Granted, Scope: ScopeApplication, Application: "crates-io", Title: title, Before: NoAccess, After: "Viewer"}
		if got := lineOf(c).Where; got != want {
			t.Errorf("title %q: got %q, want %q", title, got, want)
		}
	}
}
