package document_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

var organizations = document.Organizations{
	APIVersion: document.APIVersion, Kind: document.KindOrganizations, User: amelie,
	Organizations: []document.Organization{
		{Name: "acme", OrganizationRole: "Viewer", NotAfter: start},
		{Name: "globex", OrganizationRole: document.NoAccess},
	},
}

// application is a document that uses every feature.
var application = finance(0, 1, map[string]document.ApplicationUser{
	amelie:                  {Role: "Viewer", Filters: frenchRows, NotAfter: start},
	zoe:                     {Role: "Administrator", Filters: noRows},
	"Zoë/ü~ <&>\u2028@acme": {Role: "Editor"},
})

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	(&mount{dir: filepath.Join(dir, "m")}).swap(t, map[string]string{
		"access.json": encode(t, application), "data.json": "{}",
	})
	write(t, filepath.Join(dir, "a.json"), encode(t, ofAmelie(nil)))
	write(t, filepath.Join(dir, "organizations.json"), " "+encode(t, organizations)+"\n")
	write(t, filepath.Join(dir, "broken.json"), "{}")
	got, err := document.Load(dir)
	want := &document.Documents{
		Applications:  []document.Application{application},
		Users:         []document.User{ofAmelie(nil)},
		Organizations: []document.Organizations{organizations},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var of *document.Error
	if !errors.As(err, &of) || of.Path != filepath.Join(dir, "broken.json") {
		t.Errorf("the error is %v", err)
	}
	for _, nothing := range []string{filepath.Join(dir, "none"), t.TempDir()} {
		got, err := document.Load(nothing)
		if diff := cmp.Diff(&document.Documents{}, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	if _, err := document.Load(filepath.Join(dir, "a.json")); err == nil {
		t.Error("a file is not a directory")
	}
}

// replace returns the application document with a text replaced. The text must be in the document.
func replace(t *testing.T, old, with string) string {
	t.Helper()
	text := encode(t, finance(0, 1, map[string]document.ApplicationUser{amelie: {Role: "Viewer", Filters: frenchRows}}))
	if !strings.Contains(text, old) {
		t.Fatalf("there is no %s in %s", old, text)
	}
	return strings.Replace(text, old, with, 1)
}

func TestParseErrors(t *testing.T) {
	const users = "/users/amelie@acme.example"
	entry := `"role":"Viewer","source":"AccessGroup/acme/controllers"`
	tests := map[string]struct {
		old, with       string
		pointer, reason string
	}{
		"later version": {`access.usher.dev/v1"`, `access.usher.dev/v2","later":[{"a":null,"b":-1.5e3,"c":true}]`,
			"/apiVersion", `"access.usher.dev/v2" is not known, only "access.usher.dev/v1"`},
		"no version":            {`"apiVersion":"access.usher.dev/v1",`, ``, "/apiVersion", `"" is not known, only "access.usher.dev/v1"`},
		"another kind":          {`ApplicationAccessDocument`, `Secret`, "/kind", `"Secret" is not known, only ApplicationAccessDocument, UserAccessDocument and UserOrganizationsDocument`},
		"version of other type": {`"access.usher.dev/v1"`, `1`, "/apiVersion", `a number where a string belongs`},
		"case of a field":       {`"role":"V`, `"Role":"V`, users + "/Role", `the field must be spelled "role"`},
		"case of an optional":   {entry, entry + `,"notafter":"2026-01-01T00:00:00Z"`, users + "/notafter", `the field must be spelled "notAfter"`},
		"unknown too deep":      {entry, entry + `,"later":` + strings.Repeat("[", 70), users + "/later" + strings.Repeat("/0", 61), "more than 64 levels"},
		"field twice":           {`"role":"V`, `"role":"Editor","role":"V`, users + "/role", "the field is duplicated"},
		"field missing":         {`"role":"Viewer",`, ``, users, `field "role" is missing`},
		"user twice":            {`"users":{`, `"users":{"amelie@acme.example":{"role":"Editor","source":"x"},`, users, "the user is duplicated"},
		"user twice by escapes": {`"users":{`, `"users":{"\u0061melie@acme.example":{"role":"Editor","source":"x"},`, users, "the user is duplicated"},
		"user empty":            {`"amelie@acme.example"`, `""`, "/users/", "the user is empty"},
		"user too long": {`"amelie@acme.example"`, `"` + strings.Repeat("a", 900_000) + `"`, "/users/" + strings.Repeat("a", 64) + "...",
			"the user has 900000 characters, the maximum is 253"},
		"role off the ladder":  {`"role":"Viewer"`, `"role":"Owner"`, users, `role "Owner" is not in roles`},
		"role NoAccess":        {`"role":"Viewer"`, `"role":"NoAccess"`, users, `role "NoAccess" is not in roles`},
		"role empty":           {`"role":"Viewer"`, `"role":""`, users + "/role", "an empty string"},
		"role null":            {`"role":"Viewer"`, `"role":null`, users + "/role", "null where a string belongs"},
		"NoAccess on ladder":   {`"name":"Viewer"`, `"name":"NoAccess"`, "/roles/2/name", "NoAccess cannot be on a ladder"},
		"role twice":           {`"name":"Viewer"`, `"name":"Editor"`, "/roles/2/name", `role "Editor" is duplicated`},
		"wrong shard":          {`"shard":0,"shards":1`, `"shard":1,"shards":2`, users, "the user belongs in shard 0 of 2, this is shard 1"},
		"users of no shard":    {`"shard":0`, `"shard":1`, "/shard", "shard 1 of 1 does not exist but has users"},
		"no shards":            {`"shards":1`, `"shards":0`, "/shards", "0 is not a power of two"},
		"three shards":         {`"shards":1`, `"shards":3`, "/shards", "3 is not a power of two"},
		"too many shards":      {`"shards":1`, `"shards":2048`, "/shards", "2048 is not a whole number from 0 to 1024"},
		"shards as text":       {`"shards":1`, `"shards":"1"`, "/shards", "a string where a number belongs"},
		"shard with point":     {`"shard":0`, `"shard":0.0`, "/shard", "0.0 is not a whole number from 0 to 1023"},
		"shard below zero":     {`"shard":0`, `"shard":-1`, "/shard", "-1 is not a whole number from 0 to 1023"},
		"users as list":        {`"users":{`, `"users":[],"more":{`, "/users", "a list where an object belongs"},
		"filters as object":    {`"filters":[{`, `"filters":{},"more":[{`, "/filters", "an object where a list belongs"},
		"filters null":         {`"filters":[{`, `"filters":null,"x":[{`, "/filters", "null where a list belongs"},
		"filters gone":         {`"filters":[{`, `"x":[{`, users + "/filters", "place 1 is outside the document's list, which has 0 filters"},
		"place outside":        {`"filters":[1]`, `"filters":[1,3]`, users + "/filters", "place 3 is outside the document's list, which has 3 filters"},
		"places descend":       {`"filters":[1]`, `"filters":[1,0]`, users + "/filters/1", "place 0 follows place 1, but places must ascend"},
		"place twice":          {`"filters":[1]`, `"filters":[1,1]`, users + "/filters/1", "place 1 follows place 1, but places must ascend"},
		"place below zero":     {`"filters":[1]`, `"filters":[-1]`, users + "/filters/0", "-1 is not a whole number from 0 to 1048576"},
		"place with point":     {`"filters":[1]`, `"filters":[1.0]`, users + "/filters/0", "1.0 is not a whole number from 0 to 1048576"},
		"places empty":         {`"filters":[1]`, `"filters":[]`, users + "/filters", "an empty list; leave it out where every row is visible"},
		"places null":          {`"filters":[1]`, `"filters":null`, users + "/filters", "null where a list belongs"},
		"places twice":         {`"filters":[1]`, `"filters":[1],"filters":[0]`, users + "/filters", "the field is duplicated"},
		"a filter as place":    {`"filters":[1]`, `"filters":[{"anyOf":[]}]`, users + "/filters/0", "an object where a number belongs"},
		"filter without anyOf": {`{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["France"]}]}]}`, `{}`, "/filters/1", `field "anyOf" is missing`},
		"empty alternative":    {`{"allOf":[{"attribute":"country","operator":"In","values":["France"]}]}`, `{"allOf":[]}`, "/filters/1/anyOf/0/allOf", "an alternative without requirements"},
		"unknown operator":     {`"In"`, `"Like"`, "/filters/1/anyOf/0/allOf/0/operator", `"Like" is not known, only In, NotIn, GreaterThan and LessThan`},
		"too many to compare":  {`"In","values":["France"`, `"LessThan","values":["1","2"`, "/filters/1/anyOf/0/allOf/0/values", "LessThan takes one value, not 2"},
		"value as number":      {`["France"]`, `["France",1]`, "/filters/1/anyOf/0/allOf/0/values/1", "a number where a string belongs"},
		"end not an instant":   {entry, entry + `,"notAfter":"tomorrow"`, users + "/notAfter", `"tomorrow" is not an RFC 3339 instant`},
		"end is a date":        {entry, entry + `,"notAfter":"2026-01-01"`, users + "/notAfter", `"2026-01-01" is not an RFC 3339 instant`},
		"end is zero":          {entry, entry + `,"notAfter":"0001-01-01T00:00:00Z"`, users + "/notAfter", `"0001-01-01T00:00:00Z" is not an RFC 3339 instant`},
		"end with a comma":     {entry, entry + `,"notAfter":"2026-01-01T00:00:00,5Z"`, users + "/notAfter", `"2026-01-01T00:00:00,5Z" is not an RFC 3339 instant`},
		"end with one digit":   {entry, entry + `,"notAfter":"2026-01-01T1:00:00Z"`, users + "/notAfter", `"2026-01-01T1:00:00Z" is not an RFC 3339 instant`},
		"end in no zone":       {entry, entry + `,"notAfter":"2026-01-01T00:00:00+24:00"`, users + "/notAfter", `"2026-01-01T00:00:00+24:00" is not an RFC 3339 instant`},
		"end is a boolean":     {entry, entry + `,"notAfter":false`, users + "/notAfter", `a boolean where a string belongs`},
		"pointer is printable": {`"amelie@acme.example"`, `"a\n\u202e/~b"`, "/users/a\ufffd\ufffd~1~0b", `field "role" is missing`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := replace(t, tc.old, tc.with)
			if name == "pointer is printable" {
				text = strings.Replace(text, `"role":"Viewer"`, `"x":1`, 1)
			}
			_, err := document.Parse([]byte(text))
			var of *document.Error
			if !errors.As(err, &of) {
				t.Fatalf("the error is %v", err)
			}
			want := document.Error{Pointer: tc.pointer, Reason: tc.reason, Offset: of.Offset}
			if diff := cmp.Diff(want, *of); diff != "" {
				t.Error(diff)
			}
			if of.Offset < 0 || of.Offset > len(text) || len(err.Error()) > 400 {
				t.Errorf("the error is %d bytes long, at byte %d of %d", len(err.Error()), of.Offset, len(text))
			}
		})
	}
}

func TestParseErrorsOfTheWhole(t *testing.T) {
	whole := encode(t, application)
	tests := map[string]struct{ text, want string }{
		"nothing":   {"", "unexpected end of the data"},
		"blank":     {"  \n", "unexpected end of the data (byte 3)"},
		"null":      {"null", "null where an object belongs"},
		"list":      {"[]", "a list where an object belongs"},
		"trailing":  {whole + "\n" + whole, fmt.Sprintf("an object after the end of the document (byte %d)", len(whole)+1)},
		"nested":    {`{"x":` + strings.Repeat("[", 100_000), "more than 64 levels (byte 68)"},
		"too large": {strings.Repeat(" ", document.MaximumBytes+1), "more than 1048576 bytes, which no ConfigMap can have (byte 1048576)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := document.Parse([]byte(tc.text))
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("the error is %v, want %s", err, tc.want)
			}
		})
	}
	for at := range whole {
		if _, err := document.Parse([]byte(whole[:at])); err == nil {
			t.Fatalf("no error for %s", whole[:at])
		}
	}
}

// TestParseSyntaxErrors checks that an error of the JSON library names the place and the byte. The rest of its text is
// up to the library.
func TestParseSyntaxErrors(t *testing.T) {
	whole := encode(t, application)
	tests := map[string]struct {
		text, pointer string
		offset        int
	}{
		"byte order mark":          {"\ufeff" + whole, "", 0},
		"trailing brace":           {whole + "}", "", len(whole)},
		"comma too many":           {`{"kind":"x",}`, "", 11},
		"no comma":                 {`{"kind":"x" "y":1}`, "", 12},
		"no comma in a list":       {`{"x":[1 2]}`, "/x", 8},
		"no colon":                 {`{"kind","x"}`, "/kind", 7},
		"no value":                 {`{"x":}`, "/x", 5},
		"name is a number":         {`{"x":{1:2}}`, "/x", 6},
		"open object":              {`{"x":{`, "/x", 6},
		"open string":              {`{"kind":"x`, "/kind", 10},
		"open escape":              {`{"kind":"x\`, "/kind", 10},
		"open string with escape":  {`{"kind":"x\n`, "/kind", 12},
		"escape that JSON has not": {`{"kind":"x\n\q"}`, "/kind", 12},
		"short escape":             {`{"users":{"\u00x":1}}`, "/users", 11},
		"half a surrogate":         {`{"users":{"\ud800x":1}}`, "/users", 11},
		"control character":        {"{\"kind\":\"x\\n\x01\"}", "/kind", 12},
		"line break in a name":     {"{\"users\":{\"a\nb\":1}}", "/users", 12},
		"invalid UTF-8":            {"{\"users\":{\"am\xe9lie\":1}}", "/users", 13},
		"unknown with no value":    {`{"x":{"later":nul}}`, "/x/later", 17},
		"number with zeros":        {`{"x":[1,007]}`, "/x", 9},
		"number without digits":    {`{"shard":-}`, "/shard", 10},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := document.Parse([]byte(tc.text))
			var of *document.Error
			if !errors.As(err, &of) {
				t.Fatalf("the error is %v", err)
			}
			if diff := cmp.Diff(document.Error{Pointer: tc.pointer, Offset: tc.offset, Reason: of.Reason}, *of); diff != "" {
				t.Error(diff)
			}
			if of.Reason == "" || len(of.Reason) > 100 || strings.ContainsFunc(of.Reason, unprintable) {
				t.Errorf("the reason is %q", of.Reason)
			}
		})
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func TestParseErrorsOfOtherKinds(t *testing.T) {
	tests := map[string]struct {
		of             any
		old, with, err string
	}{
		"application twice":  {ofAmelie(nil), `"applications":{`, `"applications":{"sales":{"role":"NoAccess"},`, "/applications/sales: the application is duplicated"},
		"NoAccess that can":  {ofAmelie(nil), `{"role":"NoAccess"`, `{"role":"NoAccess","permissions":["view"]`, "/applications/payroll: NoAccess must not have permissions"},
		"no default role":    {ofAmelie(nil), `"defaultRole":"Viewer",`, ``, `field "defaultRole" is missing`},
		"default outside":    {ofAmelie(nil), `"defaultFilters":[1]`, `"defaultFilters":[3]`, "/defaultFilters: place 3 is outside the document's list, which has 3 filters"},
		"place outside":      {ofAmelie(nil), `{"filters":[1]`, `{"filters":[7]`, "/applications/sales/filters: place 7 is outside the document's list, which has 3 filters"},
		"user empty":         {ofAmelie(nil), `"amelie@acme.example"`, `""`, "/user: the user is empty"},
		"organization twice": {organizations, `"globex"`, `"acme"`, `/organizations/1/name: organization "acme" is duplicated`},
		"organization empty": {organizations, `"globex"`, `""`, `/organizations/1/name: an empty string`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := document.Parse([]byte(strings.Replace(encode(t, tc.of), tc.old, tc.with, 1)))
			if err == nil || !strings.HasPrefix(err.Error(), tc.err) {
				t.Errorf("the error is %v, want %s", err, tc.err)
			}
		})
	}
}

// TestParseIgnoresUnknownFields checks that a reader ignores unknown fields, which a later Usher may add to documents
// of this version.
func TestParseIgnoresUnknownFields(t *testing.T) {
	const unknown = `"later":{"a":[1,null,{"b":"c"}],"later":true},"another":-1.5e3,`
	for name, of := range map[string]any{"application": application, "user": ofAmelie(nil), "organizations": organizations} {
		t.Run(name, func(t *testing.T) {
			text := encode(t, of)
			want, err := document.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range []string{
				`{"apiVersion"`, `{"name"`, `{"permissions"`, `{"filters"`, `{"role"`, `{"notAfter"`, `{"anyOf"`, `{"allOf"`, `{"attribute"`,
			} {
				text = strings.ReplaceAll(text, object, "{"+unknown+object[1:])
			}
			if n := strings.Count(text, unknown); n < 3 {
				t.Fatalf("only %d objects have unknown fields: %s", n, text)
			}
			got, err := document.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("without and with unknown fields (-without +with):\n%s", diff)
			}
		})
	}
}

// TestFiltersOf checks that the places in what Load returns lead to the filters.
func TestFiltersOf(t *testing.T) {
	named, unnamed := ofAmelie(nil), ofAmelie(func(d *document.User) { d.DefaultRole, d.DefaultFilters = document.NoAccess, nil })
	broken := application
	broken.Filters = rows[:1]
	for name, tc := range map[string]struct{ got, want document.Filters }{
		"rows":                   {application.FiltersOf(amelie), france},
		"no row":                 {application.FiltersOf(zoe), document.Nothing()},
		"every row":              {application.FiltersOf("Zoë/ü~ <&>\u2028@acme"), nil},
		"absent":                 {application.FiltersOf("nobody"), document.Nothing()},
		"outside":                {broken.FiltersOf(amelie), document.Nothing()},
		"application":            {named.FiltersOf("sales"), france},
		"application, every row": {named.FiltersOf("finance"), nil},
		"application, no access": {named.FiltersOf("payroll"), document.Nothing()},
		"default":                {named.FiltersOf("other"), france},
		"default, no access":     {unnamed.FiltersOf("other"), document.Nothing()},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
		})
	}
}

// A document of one user with nearly a megabyte of filters must work like any other.
func TestParseMegabyteOfOneUser(t *testing.T) {
	requirement := document.Requirement{Attribute: "country", Operator: document.In}
	for i := range 65_000 {
		requirement.Values = append(requirement.Values, fmt.Sprintf("value %06d", i))
	}
	d := finance(0, 1, map[string]document.ApplicationUser{amelie: {Role: "Viewer", Filters: []int{0}}})
	d.Filters = document.Filters{{AnyOf: []document.Alternative{{AllOf: []document.Requirement{requirement}}}}}
	text := encode(t, d)
	if len(text) < 950_000 || len(text) > document.MaximumBytes {
		t.Fatalf("it has %d bytes", len(text))
	}
	got, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual([]document.Application{d}, got.Applications) {
		t.Error("it is read otherwise than it was written")
	}
}

// encoding/json must read the same from every document that Load accepts, and Load must accept what it encodes again.
// Any other data gives nobody access.
func FuzzLoad(f *testing.F) {
	for _, d := range []any{application, finance(1, 4, with("Viewer", userIn(1, 4))), ofAmelie(nil), organizations} {
		f.Add([]byte(encode(f, d)))
	}
	golden, err := filepath.Glob("../../internal/publish/testdata/*.golden")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range golden {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, text, _ := strings.Cut(string(data), "\n")
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"apiVersion":"access.usher.dev/v1","kind":"UserAccessDocument","user":"\ud83d\ude00"}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, fmt.Sprintf("%d.json", os.Getpid()))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := document.Load(dir)
		if err != nil {
			if len(got.Applications)+len(got.Users)+len(got.Organizations) > 0 {
				t.Fatalf("documents beside the error %v", err)
			}
			if strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("the error has what does not print: %q", err)
			}
			return
		}
		switch {
		case len(got.Applications) == 1:
			again(t, data, got.Applications[0])
			for user, entry := range got.Applications[0].Users {
				if user == "" || entry.Role == document.NoAccess || shardOf(user, got.Applications[0].Shards) != got.Applications[0].Shard {
					t.Errorf("%q is in the document", user)
				}
			}
		case len(got.Users) == 1:
			again(t, data, got.Users[0])
		case len(got.Organizations) == 1:
			again(t, data, got.Organizations[0])
		default:
			t.Fatal("neither a document nor an error")
		}
	})
}

func again[T any](t *testing.T, data []byte, got T) {
	t.Helper()
	var plain T
	if err := json.Unmarshal(data, &plain); err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	if diff := cmp.Diff(plain, got); diff != "" {
		t.Fatalf("encoding/json reads it otherwise:\n%s", diff)
	}
	rendered := encode(t, got)
	parsed, err := document.Parse([]byte(rendered))
	if err != nil {
		t.Fatalf("%s: %v", rendered, err)
	}
	var all []any
	for _, d := range parsed.Applications {
		all = append(all, d)
	}
	for _, d := range parsed.Users {
		all = append(all, d)
	}
	for _, d := range parsed.Organizations {
		all = append(all, d)
	}
	if diff := cmp.Diff([]any{got}, all); diff != "" {
		t.Fatal(diff)
	}
}
