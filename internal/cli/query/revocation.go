package query

import (
	"fmt"
	"maps"
	"slices"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/words"
)

// planWindow is the period in which a planned end of access counts for the revocation brake (docs/admission.md). It
// is also the period for which the plugin proposes to allow a revocation.
const planWindow = 24 * time.Hour

// Revocation is a loss of all access to an application for more users than a limit allows.
type Revocation struct {
	Organization string `json:"organization"`
	// Application is empty for all applications that nothing names.
	Application string `json:"application,omitempty"`
	// Users is the number of users who lose all access, or whose access ends within a day.
	Users int `json:"users"`
	// Limit is the maximum that the policy allows. Source is the field that sets it.
	Limit  int    `json:"limit"`
	Source string `json:"source"`
	// Allowance is the value of the annotation that allows the revocation, for every changed object.
	Allowance string `json:"allowance"`
}

// addRevocations counts the losses of all changes together. Admission evaluates one object at a time, so its
// refusals count only the changes so far.
func (f *Differences) addRevocations(before, after *source.World) {
	lost := map[[2]string]int{}
	for i := range f.Changes {
		if c := &f.Changes[i]; c.Change == ChangeLoses && c.Scope != ScopeOrganization {
			lost[[2]string{c.Organization, c.Application}]++
		}
	}
	limits := map[string][]limit{}
	most := 0
	keys := slices.SortedFunc(maps.Keys(lost), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, key := range keys {
		organization, application := key[0], key[1]
		if _, known := limits[organization]; !known {
			limits[organization] = limitsOf(before, organization)
		}
		if len(limits[organization]) == 0 {
			continue
		}
		users := lost[key] + ending(after, organization, application)
		for _, l := range limits[organization] {
			allowed := l.most
			if l.percent {
				allowed = before.Holders(organization)(application) * l.most / 100
			}
			if users > allowed {
				f.Revocations = append(f.Revocations, Revocation{
					Organization: organization, Application: application, Users: users, Limit: allowed, Source: l.source,
				})
				most = max(most, users)
				break
			}
		}
	}
	allowance := fmt.Sprintf("%d@%s", most, after.Now().Add(planWindow).UTC().Format(time.RFC3339))
	for i := range f.Revocations {
		f.Revocations[i].Allowance = allowance
	}
}

// ending returns the number of users whose access to the application ends within a day.
func ending(w *source.World, organization, application string) int {
	count := 0
	for _, user := range w.Users(organization) {
		a := w.Decision(organization, user).Application(application)
		if a.GivesAccess() && !a.NotAfter.IsZero() && !a.NotAfter.After(w.Now().Add(planWindow)) {
			count++
		}
	}
	return count
}

// limit is one revocation limit of a policy.
type limit struct {
	most    int
	percent bool
	source  string
}

// limitsOf returns the limits that apply in the organization: from its own policy and from the policy of the system
// namespace.
func limitsOf(w *source.World, organization string) []limit {
	var limits []limit
	for _, namespace := range []string{organization, w.SystemNamespace()} {
		for i := range w.Set.Objects {
			p, is := w.Set.Objects[i].Object.(*accessv1alpha1.AccessPolicy)
			if !is || p.Namespace != namespace {
				continue
			}
			source := fmt.Sprintf("AccessPolicy/%s/%s in spec.revocationLimit", p.Namespace, p.Name)
			if most := p.Spec.RevocationLimit.Users; most != nil {
				limits = append(limits, limit{int(*most), false, source + ".users"})
			}
			if most := p.Spec.RevocationLimit.Percent; most != nil {
				limits = append(limits, limit{int(*most), true, source + ".percent"})
			}
		}
	}
	return limits
}

// RevocationLines describes the revocations in words, and how to allow all of them.
func RevocationLines(revocations []Revocation) []string {
	var lines []string
	for i := range revocations {
		r := &revocations[i]
		application := "every application that nothing names"
		if r.Application != "" {
			application = "application " + r.Application
		}
		lines = append(lines, fmt.Sprintf("%s: %s lose all access to %s, or will within a day; %s allows %d", r.Organization,
			words.Counted(r.Users, "user", "users"), application, r.Source, r.Limit))
	}
	if len(revocations) > 0 {
		lines = append(lines, fmt.Sprintf("To allow all of it, annotate each changed object first with %s: %q. Raise the number by "+
			"the users who lost access within the last ten minutes", accessv1alpha1.AnnotationAllowRevocation, revocations[0].Allowance))
	}
	return lines
}
