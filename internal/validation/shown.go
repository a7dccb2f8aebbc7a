package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mostShown bounds how many findings of a kind are shown. The rest are counted.
const mostShown = 10

// shown collects the findings about users: refusals and warnings.
type shown struct {
	seen             map[subject]struct{}
	refused, warned  []finding
	refusals, others int
}

// subject identifies what a finding is about. It is not a formatted text because there may be hundreds of
// thousands.
type subject struct{ what, organization, user, scope, name string }

type finding struct {
	at   *field.Path
	text string
}

// note adds a finding, unless there is one about the same subject. It builds the text only if it will be shown.
func (s *shown) note(about subject, deny bool, at *field.Path, text func() string) {
	if _, again := s.seen[about]; again {
		return
	}
	if s.seen == nil {
		s.seen = map[subject]struct{}{}
	}
	s.seen[about] = struct{}{}
	list, count := &s.warned, &s.others
	if deny {
		list, count = &s.refused, &s.refusals
	}
	if *count++; *count <= mostShown {
		*list = append(*list, finding{at, text()})
	}
}

// conclude adds the findings to the judgement.
func (s *shown) conclude(j *judge) {
	for _, f := range s.refused {
		j.Refusals = append(j.Refusals, field.Forbidden(f.at, f.text))
	}
	if more := s.refusals - len(s.refused); more > 0 {
		j.Refusals = append(j.Refusals, field.Forbidden(s.refused[0].at, fmt.Sprintf("and %d more like these", more)))
	}
	for _, f := range s.warned {
		j.Warnings = append(j.Warnings, f.text)
	}
	if more := s.others - len(s.warned); more > 0 {
		j.Warnings = append(j.Warnings, fmt.Sprintf("and %d more like these", more))
	}
}
