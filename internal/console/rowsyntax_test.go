package console

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestRowsAreReadAsTheyAreWritten(t *testing.T) {
	requirement := func(operator accessv1alpha1.DataOperator, values ...accessv1alpha1.AttributeValue) accessv1alpha1.RowRequirement {
		return accessv1alpha1.RowRequirement{Attribute: "country", Operator: operator, Values: values}
	}
	for line, want := range map[string][]accessv1alpha1.RowRequirement{
		"country = France":                       {requirement(accessv1alpha1.DataOperatorIn, "France")},
		"country in (France, Germany)":           {requirement(accessv1alpha1.DataOperatorIn, "France", "Germany")},
		"country != France":                      {requirement(accessv1alpha1.DataOperatorNotIn, "France")},
		"country not in (France, Germany)":       {requirement(accessv1alpha1.DataOperatorNotIn, "France", "Germany")},
		"country > 3":                            {requirement(accessv1alpha1.DataOperatorGreaterThan, "3")},
		"country < 3 and country > 1":            {requirement(accessv1alpha1.DataOperatorLessThan, "3"), requirement(accessv1alpha1.DataOperatorGreaterThan, "1")},
		`country = "New Zealand"`:                {requirement(accessv1alpha1.DataOperatorIn, "New Zealand")},
		`country in ("a, b", "say ""hi""", c)`:   {requirement(accessv1alpha1.DataOperatorIn, "a, b", `say "hi"`, "c")},
		`country = "user.name"`:                  {requirement(accessv1alpha1.DataOperatorIn, "user.name")},
		"country = Österreich":                   {requirement(accessv1alpha1.DataOperatorIn, "Österreich")},
		"country in user.countries":              {{Attribute: "country", Operator: accessv1alpha1.DataOperatorIn, UserAttribute: "countries"}},
		"country in (in, and) and country = not": {requirement(accessv1alpha1.DataOperatorIn, "in", "and"), requirement(accessv1alpha1.DataOperatorIn, "not")},
		"country not in user.countries":          {{Attribute: "country", Operator: accessv1alpha1.DataOperatorNotIn, UserAttribute: "countries"}},
	} {
		t.Run(line, func(t *testing.T) {
			got, err := readRows("\n" + line + "\n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]accessv1alpha1.RowAlternative{{AllOf: want}}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if again := strings.Join(writeRows(got), "\n"); again != line {
				t.Errorf("it is written as %s", again)
			}
		})
	}
}

func TestRowsThatCannotBeRead(t *testing.T) {
	for line, want := range map[string]string{
		"= France":                 `"= France" is not an attribute`,
		"country":                  "an operator is expected",
		"country inside":           "an operator is expected",
		"country =":                "a value is missing",
		"country in (France":       "a comma or a closing parenthesis is expected",
		`country = "France`:        "the quote is not closed",
		"country = France Germany": `"Germany" follows where "and" or the end of the line is expected`,
		"country in user.":         "the name of an attribute is expected",
	} {
		t.Run(line, func(t *testing.T) {
			if _, err := readRows(line); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error with %s", err, want)
			}
		})
	}
}
