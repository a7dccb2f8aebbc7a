package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/roster"
)

// auditColumns are the columns of the report's CSV.
var auditColumns = []string{
	"part", "user", "organization", "application", "role", "rule", "source", "notBefore", "notAfter", "rows", "detail",
}

func (a *audit) notes() []string {
	notes := []string{
		fmt.Sprintf("As of %s. The system namespace is %s.", instantText(a.At), a.SystemNamespace),
	}
	for _, text := range a.Incomplete {
		notes = append(notes, "INCOMPLETE: "+text)
	}
	for _, text := range a.NotRead {
		notes = append(notes, "Not looked for in its inventory: "+text)
	}
	for i := range a.Organizations {
		o := &a.Organizations[i]
		by := o.Policy.Source
		if by == "" {
			by = "the built-in policy"
		}
		notes = append(notes, fmt.Sprintf("Organization %s: %s, %d of them with access, and %s; %s by %s.", o.Organization,
			counted(o.Users, "user", "users"), o.WithAccess, counted(o.Applications, "application", "applications"),
			o.Policy.ConflictResolution, by))
	}
	return notes
}

// sections returns the parts of the report as tables of text. It names applications by where.
func (a *audit) sections(where func(*holding) string) []section {
	within := " within " + counted(a.Days, "day", "days")
	return []section{
		holdingSection("held", "Everything held", a.Holdings, where),
		grantSection("protected", "Protected grants", a.Protected),
		grantSection("system", "Grants of the system level", a.SystemLevel),
		conflictSection(a.Conflicts),
		exclusionSection(a.Exclusions),
		barSection(a.Barred),
		holdingSection("ending", "Ending"+within, a.Ending, where),
		grantSection("beginning", "Beginning"+within, a.Beginning),
		reviewSection("Reviews due"+within, a.Reviews),
		accountSection(a.WithoutGrant),
		remarkSection("unresolved", "References to what does not exist", a.Unresolved),
		remarkSection("barsNobody", "Suspensions that bar nobody", a.BarsNobody),
		remarkSection("hint", "Values to check", a.Hints),
		outsideSection(a.Outside),
	}
}

func holdingSection(name, title string, held []holding, where func(*holding) string) section {
	s := section{name: name, title: title, columns: []string{
		"user", "organization", "application", "role", "rule", "source", "notAfter", "rows",
	}}
	for i := range held {
		h := &held[i]
		s.rows = append(s.rows, []string{
			h.User, h.Organization, where(h), h.Role, h.Rule, h.Source, h.until(), h.applicationRows(),
		})
		s.roles = append(s.roles, h.Role)
	}
	return s
}

func grantSection(name, title string, grants []userGrant) section {
	s := section{name: name, title: title, columns: []string{
		"user", "organization", "application", "role", "source", "notBefore", "notAfter",
	}}
	for i := range grants {
		g := &grants[i]
		begins, ends := until(g.Begins), until(g.Ends)
		if g.Begins != nil {
			ends = until(g.NotAfter)
		}
		s.rows = append(s.rows, []string{g.User, g.Organization, grantScope(&g.grant), grantRole(&g.grant), g.Source, begins, ends})
		s.roles = append(s.roles, g.Role)
	}
	return s
}

func conflictSection(conflicts []conflict) section {
	s := section{name: "conflict", title: "Conflicts", columns: []string{
		"user", "organization", "application", "role", "rule", "detail",
	}}
	for i := range conflicts {
		c := &conflicts[i]
		s.rows = append(s.rows, []string{c.User, c.Organization, c.where(), c.Role, c.Rule, c.grants()})
		s.roles = append(s.roles, c.Role)
	}
	return s
}

func exclusionSection(exclusions []exclusion) section {
	s := section{name: "exclusive", title: "Taken by exclusive access", columns: []string{
		"user", "organization", "source", "detail",
	}}
	for i := range exclusions {
		e := &exclusions[i]
		s.rows = append(s.rows, []string{
			e.User, e.Organization, e.Source, e.Name + ": held in " + strings.Join(e.Applications, " and "),
		})
	}
	return s
}

func barSection(bars []userBar) section {
	s := section{name: "barred", title: "Barred", columns: []string{
		"user", "organization", "rule", "source", "notBefore", "notAfter",
	}}
	for i := range bars {
		b := &bars[i]
		s.rows = append(s.rows, []string{b.User, b.Organization, b.Rule, b.Source, until(b.NotBefore), until(b.NotAfter)})
	}
	return s
}

func reviewSection(title string, reviews []dueReview) section {
	s := section{name: "review", title: title, columns: []string{"organization", "source", "notAfter", "detail"}}
	for i := range reviews {
		r := &reviews[i]
		s.rows = append(s.rows, []string{
			r.Namespace, objectName(roster.KindAccessGroup, r.Namespace, r.Group), until(r.Due),
			fmt.Sprintf("%s; ifMissed: %s; %s; confirmed: %s; gives: %s", r.State, r.IfMissed, counted(len(r.Members), "member", "members"),
				cmp.Or(until(r.ReviewedAt), "never"), r.givesText()),
		})
	}
	return s
}

func accountSection(accounts []account) section {
	s := section{name: "withoutGrant", title: "Accounts without a grant", columns: []string{"user", "organization", "source"}}
	for _, each := range accounts {
		s.rows = append(s.rows, []string{each.User, each.Organization, each.Object})
	}
	return s
}

func remarkSection(name, title string, remarks []remark) section {
	s := section{name: name, title: title, columns: []string{"source", "detail"}}
	for i := range remarks {
		s.rows = append(s.rows, []string{remarks[i].Object, remarks[i].Field + ": " + remarks[i].Message})
	}
	return s
}

// markdown returns the report as Markdown for people. It has no size limit, because a report must be complete.
func (a *audit) markdown() string {
	m := &markdown{unlimited: true}
	m.line("# Access report\n")
	for _, note := range a.notes() {
		m.line("- %s", code(note))
	}
	m.line("")
	for _, s := range a.sections((*holding).shown) {
		m.line("## %s (%s)\n", s.title, strconv.Itoa(len(s.rows)))
		if len(s.rows) == 0 {
			m.line("None.\n")
			continue
		}
		rows := make([][]string, len(s.rows))
		for i, row := range s.rows {
			rows[i] = make([]string, len(row))
			for j := range row {
				rows[i][j] = code(row[j])
			}
		}
		m.table(s.columns, rows)
	}
	return strings.TrimRight(m.text.String(), "\n") + "\n"
}
