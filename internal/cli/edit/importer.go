package edit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// Import returns the plan that makes the objects of the world what the table says. Errors name the file, the line and
// the column.
func (t *Table) Import(w *source.World) (*Plan, error) { return newImporter(t.file, w).plan(t.rows) }

// ImportAndPrune is Import, and removes what an earlier import has written and the table does not say. What another field
// manager has declared stays. A table without rows is an error: it would remove everything.
func (t *Table) ImportAndPrune(w *source.World) (*Plan, error) {
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("%s: it has no line, so --prune would remove everything that earlier imports wrote; check the command that wrote the CSV", t.file)
	}
	m := newImporter(t.file, w)
	if err := m.strip(); err != nil {
		return nil, err
	}
	return m.plan(t.rows)
}

// importer applies the rows of a CSV to the existing objects.
type importer struct {
	file  string
	world *source.World

	changes  map[string]*objects.Change // by Kind/namespace/name
	order    []string
	groups   map[string]*objects.Object   // by namespace/name
	accounts map[string][]*objects.Object // declared UserAccess objects, by namespace/user
	members  map[string]map[string]int    // indexes of members; a search for each line would take minutes
	seen     map[string]*row              // rows by the key of their subject
	again    int
	failures []error
	// stripped are the objects of earlier imports without what these have written, by Kind/namespace/name. It is nil for
	// an object that belongs to imports as a whole.
	stripped map[string]client.Object
}

func newImporter(file string, w *source.World) *importer {
	m := &importer{
		file: file, world: w, changes: map[string]*objects.Change{}, seen: map[string]*row{},
		groups: map[string]*objects.Object{}, accounts: map[string][]*objects.Object{}, members: map[string]map[string]int{},
	}
	for i := range w.Set.Objects {
		o := &w.Set.Objects[i]
		switch each := o.Object.(type) {
		case *accessv1alpha1.AccessGroup:
			m.groups[each.Namespace+"/"+each.Name] = o
		case *accessv1alpha1.UserAccess:
			key := each.Namespace + "/" + string(each.Spec.User)
			m.accounts[key] = append(m.accounts[key], o)
		}
	}
	return m
}

// rank is the order in which records are imported: objects that others refer to come first.
var rank = map[string]int{recordGroup: -2, recordUser: -1}

// plan returns the changes of all rows, or the errors in them.
func (m *importer) plan(rows []row) (*Plan, error) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b row) int { return rank[a.get(columnRecord)] - rank[b.get(columnRecord)] })
	for i := range rows {
		m.take(&rows[i])
	}
	m.prune()
	p := &Plan{}
	for _, name := range m.order {
		c := m.changes[name]
		if c.After == nil {
			p.Changes = append(p.Changes, *c)
			continue
		}
		if m.stripped != nil && c.Before != nil {
			keepDefaults(c)
			keepOrder(c)
		}
		m.failures = append(m.failures, checkSize(c.After.Object)...)
		p.Changes = append(p.Changes, *c)
	}
	if len(m.failures) > 0 {
		return nil, firstOf(m.failures)
	}
	if m.again > 0 {
		p.Note("%s: %s again what an earlier one says", m.file, words.Counted(m.again, "line says", "lines say"))
	}
	return p, nil
}

// fail records an error in a cell.
func (m *importer) fail(r *row, column string, err error) {
	m.failures = append(m.failures, r.failure(m.file, column, err))
}

// take applies one row to the objects.
func (m *importer) take(r *row) {
	namespace := cmp.Or(r.get(columnNamespace), m.world.Namespace)
	switch {
	case namespace == "":
		m.fail(r, columnNamespace, fmt.Errorf("empty; name the namespace here or with -n"))
		return
	case m.world.Namespace != "" && namespace != m.world.Namespace:
		m.fail(r, columnNamespace, fmt.Errorf("%s is not the namespace %s that is asked for; -A takes all", namespace, m.world.Namespace))
		return
	}
	if err := checkName("namespace", namespace, labelPattern, maximumName, "small letters, digits, and - between them"); err != nil {
		m.fail(r, columnNamespace, err)
		return
	}
	if !m.check(r) || m.isAgain(r, namespace) {
		return
	}
	if r.get(columnRecord) == recordUser || r.get(columnRecord) == recordUserGroup ||
		(r.get(columnRecord) != recordMember && r.get(columnUser) != "") {
		m.takeUser(r, namespace)
		return
	}
	m.takeGroup(r, namespace)
}

// check validates every cell against the schema.
func (m *importer) check(r *row) bool {
	failures := len(m.failures)
	checks := map[string]func(string) error{
		columnGroup: checkGroupName, columnMemberGroup: checkGroupName, columnUser: CheckUser, columnRole: checkRole,
		columnApplication:  func(text string) error { return checkSelector("application", text) },
		columnOrganization: func(text string) error { return checkSelector("organization", text) },
		columnNotBefore:    checkInstant, columnNotAfter: checkInstant,
		columnType:                oneOf(accessv1alpha1.GroupTypeOrganization, accessv1alpha1.GroupTypeSystem),
		columnPrivileges:          oneOf(accessv1alpha1.GroupPrivilegesEnabled, accessv1alpha1.GroupPrivilegesDisabled),
		columnApplicationSelector: checkSelectorCell, columnOrganizationSelector: checkSelectorCell,
		columnReviewedAt: checkInstant, columnEveryDays: checkEveryDays,
		columnIfMissed: oneOf(accessv1alpha1.MissedReviewKeep, accessv1alpha1.MissedReviewEnd),
		columnAttribute: func(text string) error {
			return checkName("attribute", text, attributePattern, maximumName, "letters, digits and _, and no digit at the beginning")
		},
		columnValue: func(text string) error {
			return checkName("value", text, textPattern, maximumValue, "text without control and format characters")
		},
		columnState: oneOf(accessv1alpha1.UserStateActive, accessv1alpha1.UserStateSuspended),
		columnDisplayName: func(text string) error {
			return checkName("displayName", text, textPattern, maximumDisplayName, "text without control and format characters")
		},
		columnDescription: func(text string) error {
			return checkName("description", text, textPattern, maximumDescription, "text without control and format characters")
		},
		columnEmail: func(text string) error {
			return checkName("email", text, emailPattern, maximumEmail, "an address such as ana@acme.example")
		},
	}
	for _, column := range slices.Sorted(maps.Keys(checks)) {
		if cell := r.get(column); cell != "" {
			if err := checks[column](cell); err != nil {
				m.fail(r, column, err)
			}
		}
	}
	return len(m.failures) == failures
}

func checkInstant(text string) error { _, err := ParseInstant(text); return err }

func oneOf[T ~string](values ...T) func(string) error {
	return func(text string) error {
		if slices.Contains(values, T(text)) {
			return nil
		}
		names := make([]string, len(values))
		for i, each := range values {
			names[i] = string(each)
		}
		return fmt.Errorf("invalid value %q: use %s", text, words.Alternatives(names))
	}
}

// isAgain reports whether an earlier line has the same subject. It records an error if the two lines contradict
// each other.
func (m *importer) isAgain(r *row, namespace string) bool {
	key := strings.Join([]string{
		r.get(columnRecord), namespace, r.get(columnGroup), r.get(columnUser), r.get(columnOrganization),
		r.get(columnApplication), r.get(columnMemberGroup), r.get(columnOrganizationSelector), r.get(columnAttribute),
		r.get(columnValue), selectedRole(r),
	}, "\n")
	earlier := m.seen[key]
	if earlier == nil {
		m.seen[key] = r
		return false
	}
	if maps.Equal(withNamespace(earlier.cells, namespace), withNamespace(r.cells, namespace)) {
		m.again++
		return true
	}
	m.fail(r, "", fmt.Errorf("it contradicts line %d; remove one of the two", earlier.line))
	return true
}

// selectedRole returns the key of an entry with a selector. It returns the empty string for an entry that names its
// application.
func selectedRole(r *row) string {
	if r.get(columnApplicationSelector) == "" {
		return ""
	}
	return r.get(columnApplicationSelector) + "\n" + r.get(columnRole)
}

func withNamespace(cells map[string]string, namespace string) map[string]string {
	cells = maps.Clone(cells)
	cells[columnNamespace] = namespace
	return cells
}

// changeOf returns the change of an object. It starts a new change if there is none.
func (m *importer) changeOf(before *objects.Object, fresh func() client.Object) *objects.Change {
	made := fresh()
	if before != nil {
		made = m.start(before, made)
	}
	name := objects.Name(made)
	if c := m.changes[name]; c != nil {
		return c
	}
	c := new(objects.NewChange(before, made))
	m.changes[name] = c
	m.order = append(m.order, name)
	return c
}

// said returns the window in the row. An empty cell leaves a bound unchanged; none removes it.
func (r *row) said() (*Window, error) {
	w := &Window{}
	for _, each := range []struct {
		column string
		into   **metav1.Time
	}{{columnNotBefore, &w.NotBefore}, {columnNotAfter, &w.NotAfter}} {
		text := r.get(each.column)
		if text == "" {
			continue
		}
		t, err := ParseInstant(text)
		if err != nil {
			return nil, err
		}
		*each.into = t
	}
	return w, nil
}

// takeUser applies a row to the UserAccess of its user.
func (m *importer) takeUser(r *row, namespace string) {
	user := r.get(columnUser)
	ua := m.changeOf(m.account(namespace, user), func() client.Object {
		made := &accessv1alpha1.UserAccess{}
		made.Name, made.Namespace = identity.Name(user), namespace
		made.Spec.User = accessv1alpha1.UserName(user)
		return made
	}).After.Object.(*accessv1alpha1.UserAccess)
	var err error
	switch r.get(columnRecord) {
	case recordUser:
		err = setAccount(ua, r)
	case recordUserGroup:
		if name := accessv1alpha1.GroupName(r.get(columnGroup)); !slices.Contains(ua.Spec.Groups, name) {
			ua.Spec.Groups = append(ua.Spec.Groups, name)
		}
	case recordAttribute:
		addAttribute(ua, r)
	default:
		spec := &ua.Spec
		err = setRole(r, &roles{
			&spec.OrganizationRole, &spec.ApplicationAccess, &spec.ApplicationSelectors, &spec.SystemAccess, &spec.SystemAccessSelectors,
		})
	}
	if err != nil {
		m.fail(r, "", err)
	}
}

// account returns the UserAccess that applies to the user. It prefers declared objects. If there is only a
// materialized one, the import turns that into the declared one.
func (m *importer) account(namespace, user string) *objects.Object {
	var found *objects.Object
	for _, o := range m.accounts[namespace+"/"+user] {
		switch {
		case found == nil, isMaterialized(found) && !isMaterialized(o):
			found = o
		case isMaterialized(o) == isMaterialized(found) && o.GetName() < found.GetName():
			found = o
		}
	}
	return found
}

func isMaterialized(o *objects.Object) bool {
	return roster.IsMaterialized(o.Object.(*accessv1alpha1.UserAccess))
}

func setAccount(ua *accessv1alpha1.UserAccess, r *row) error {
	spec := &ua.Spec
	spec.DisplayName = cmp.Or(r.get(columnDisplayName), spec.DisplayName)
	spec.Email = cmp.Or(r.get(columnEmail), spec.Email)
	spec.State = cmp.Or(accessv1alpha1.UserState(r.get(columnState)), spec.State)
	w, err := r.said()
	if err != nil {
		return err
	}
	spec.NotBefore, spec.NotAfter, err = w.Over(spec.NotBefore, spec.NotAfter)
	return err
}
