package edit

import (
	"errors"
	"fmt"
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// Role is the role that groups give in an application. Application and Organization may be * for all that no other entry
// names. Organization is for groups of the type System only.
type Role struct {
	Application, Organization string
	Role                      string
	Window                    Window
}

// Check returns an error for a name that the API server would refuse. Flags precede the names in errors.
func (r *Role) Check() error {
	failures := []error{checkSelector("--application", r.Application)}
	if r.Organization != "" {
		failures = append(failures, checkSelector("--organization", r.Organization))
	}
	if r.Role != "" {
		failures = append(failures, checkRole(r.Role))
	}
	return errors.Join(failures...)
}

// Set sets the role in the groups. An existing entry keeps its window, unless the window of the role has a bound.
func (r *Role) Set(w *source.World, groups []*objects.Object) (*Plan, error) {
	named := map[string]bool{}
	return r.each(groups, func(p *Plan, g *accessv1alpha1.AccessGroup) error {
		if !named[g.Namespace] && r.Organization == "" && r.Application != accessv1alpha1.All && w.Organization(g.Namespace) != nil {
			named[g.Namespace] = true
			if text := query.Unnamed(w, g.Namespace, r.Application); text != "" {
				p.Note("%s", text)
			}
		}
		grants, at := &g.Spec.ApplicationAccess, "spec.applicationAccess"
		if r.Organization != "" {
			entry := systemEntry(&g.Spec.SystemAccess, r.Organization)
			grants, at = &entry.ApplicationAccess, fmt.Sprintf("spec.systemAccess[%s].applicationAccess", r.Organization)
		}
		if err := setGrant(grants, r.Application, r.Role, &r.Window); err != nil {
			return fmt.Errorf("%s: %s[%s]: %w", objects.Name(g), at, r.Application, err)
		}
		return nil
	})
}

// Remove removes the entry for the application from the groups.
func (r *Role) Remove(groups []*objects.Object) (*Plan, error) {
	return r.each(groups, func(p *Plan, g *accessv1alpha1.AccessGroup) error {
		before := len(g.Spec.ApplicationAccess)
		if r.Organization == "" {
			g.Spec.ApplicationAccess = dropGrant(g.Spec.ApplicationAccess, r.Application)
			if len(g.Spec.ApplicationAccess) == before {
				p.Note("%s has no entry for application %s", objects.Name(g), r.Application)
			}
			return nil
		}
		if !dropSystemGrant(&g.Spec.SystemAccess, r.Organization, r.Application) {
			p.Note("%s has no entry for application %s of organization %s", objects.Name(g), r.Application, r.Organization)
		}
		return nil
	})
}

// each plans the change for every group.
func (r *Role) each(groups []*objects.Object, change func(*Plan, *accessv1alpha1.AccessGroup) error) (*Plan, error) {
	p := &Plan{}
	failures := []error{r.Check()}
	for _, o := range groups {
		made := Edited[*accessv1alpha1.AccessGroup](o)
		isSystem := made.Spec.Type == accessv1alpha1.GroupTypeSystem
		switch {
		case isSystem && r.Organization == "":
			failures = append(failures, fmt.Errorf("%s is a System group, and gives roles organization by organization: "+
				"say which with --organization, * for all", objects.Name(made)))
		case !isSystem && r.Organization != "":
			failures = append(failures, fmt.Errorf("%s is not a System group, and gives roles in its own organization only: "+
				"leave out --organization", objects.Name(made)))
		default:
			failures = append(failures, change(p, made))
		}
		p.add(o, made)
	}
	return p, errors.Join(failures...)
}

// entryOf returns the entry that is the wanted one. It adds the fresh entry if there is none.
func entryOf[T any](entries *[]T, isWanted func(*T) bool, fresh T) *T {
	for i := range *entries {
		if each := &(*entries)[i]; isWanted(each) {
			return each
		}
	}
	*entries = append(*entries, fresh)
	return &(*entries)[len(*entries)-1]
}

func systemEntry(entries *[]accessv1alpha1.SystemGrant, organization string) *accessv1alpha1.SystemGrant {
	name := accessv1alpha1.OrganizationSelector(organization)
	return entryOf(entries, func(each *accessv1alpha1.SystemGrant) bool { return each.Organization == name },
		accessv1alpha1.SystemGrant{Organization: name})
}

// setGrant sets the role in the application, and the window if one is given.
func setGrant(grants *[]accessv1alpha1.ApplicationGrant, application, role string, w *Window) (err error) {
	name := accessv1alpha1.ApplicationSelector(application)
	g := entryOf(grants, func(each *accessv1alpha1.ApplicationGrant) bool { return each.Application == name },
		accessv1alpha1.ApplicationGrant{Application: name})
	g.Role = accessv1alpha1.RoleName(role)
	g.NotBefore, g.NotAfter, err = w.Over(g.NotBefore, g.NotAfter)
	return err
}

func dropGrant(grants []accessv1alpha1.ApplicationGrant, application string) []accessv1alpha1.ApplicationGrant {
	return slices.DeleteFunc(grants, func(each accessv1alpha1.ApplicationGrant) bool { return string(each.Application) == application })
}

// dropSystemGrant removes the role. It also removes the organization's entry if that becomes empty.
func dropSystemGrant(entries *[]accessv1alpha1.SystemGrant, organization, application string) bool {
	i := slices.IndexFunc(*entries, func(each accessv1alpha1.SystemGrant) bool { return string(each.Organization) == organization })
	if i < 0 {
		return false
	}
	entry := &(*entries)[i]
	before := len(entry.ApplicationAccess)
	entry.ApplicationAccess = dropGrant(entry.ApplicationAccess, application)
	if len(entry.ApplicationAccess) == before {
		return false
	}
	if len(entry.ApplicationAccess) == 0 {
		entry.ApplicationAccess = nil
		if entry.Role == "" && entry.OrganizationRole == "" && len(entry.ApplicationSelectors) == 0 {
			*entries = slices.Delete(*entries, i, i+1)
		}
	}
	return true
}
