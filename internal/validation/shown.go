package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mostShown bounds how many findings of a kind are told; the rest is counted.
const mostShown = 10

// shown collects findings on users: those that refuse, and those that warn.
type shown struct {
	seen             map[string]struct{}
	refused, warned  []finding
	refusals, others int
}

type finding struct {
	at   *field.Path
	text string
}

// note takes a finding in, unless one with the key is there. The text is made only where it will be shown.
func (s *shown) note(key string, deny bool, at *field.Path, text func() string) {
	if _, again := s.seen[key]; again {
		return
	}
	if s.seen == nil {
		s.seen = map[string]struct{}{}
	}
	s.seen[key] = struct{}{}
	list, count := &s.warned, &s.others
	if deny {
		list, count = &s.refused, &s.refusals
	}
	if *count++; *count <= mostShown {
		*list = append(*list, finding{at, text()})
	}
}

// conclude puts the findings into the judgement.
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
