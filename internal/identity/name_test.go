package identity_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/usher-dev/usher/internal/identity"
)

func TestName(t *testing.T) {
	for name, tc := range map[string]struct{ user, readable string }{
		"an e-mail address":          {"ana@acme.example", "ana-acme-example"},
		"ASCII letters are lowered":  {"Ana@ACME.example", "ana-acme-example"},
		"a run is one dash":          {"--a..B__c--", "a-b-c"},
		"nothing is left":            {"日本", "user"},
		"cut at fifty, then trimmed": {strings.Repeat("a", 49) + ".bbb", strings.Repeat("a", 49)},
		"other letters are a gap":    {"Zoë.Ångström", "zo-ngstr-m"},
	} {
		t.Run(name, func(t *testing.T) {
			sum := sha256.Sum256([]byte(tc.user))
			if got, want := identity.Name(tc.user), tc.readable+"-"+hex.EncodeToString(sum[:])[:16]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	if got, want := identity.Name("ana@acme.example"), "ana-acme-example-bb03ba1becc02416"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamesOfUsersAreReserved(t *testing.T) {
	for name, want := range map[string]bool{
		identity.Name("ana@acme.example"): true,
		identity.Name("日本"):               true,
		"ana-0123456789abcdef":            true,
		"a.b-0123456789abcdef":            true,
		"ana":                             false,
		"ana-0123456789abcde":             false,
		"ana-0123456789abcdefa":           false,
		"ana-0123456789abcdeg":            false,
		"0123456789abcdef":                false,
		"ana.0123456789abcdef":            false,
	} {
		if got := identity.IsReserved(name); got != want {
			t.Errorf("IsReserved(%q) = %v, want %v", name, got, want)
		}
	}
}
