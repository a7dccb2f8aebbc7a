package print

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/cli/page"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/report"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// auditColumns are the columns of the report's CSV.
var auditColumns = []string{
	"part", "user", "organization", "application", "role", "rule", "source", "notBefore", "notAfter", "rows", "detail",
}

func notes(a *report.Audit) []string {
	notes := []string{
		fmt.Sprintf("As of %s. The system namespace is %s.", query.InstantText(a.At), a.SystemNamespace),
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
			words.Counted(o.Users, "user", "users"), o.WithAccess, words.Counted(o.Applications, "application", "applications"),
			o.Policy.ConflictResolution, by))
	}
	return notes
}

// sections returns the parts of the report as tables of text. It names applications by where.
func sections(a *report.Audit, where func(*query.Holding) string) []section {
	within := " within " + words.Counted(a.Days, "day", "days")
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

func holdingSection(name, title string, held []query.Holding, where func(*query.Holding) string) section {
	s := section{name: name, title: title, columns: []string{
		"user", "organization", "application", "role", "rule", "source", "notAfter", "rows",
	}}
	for i := range held {
		h := &held[i]
		s.rows = append(s.rows, []string{
			h.User, h.Organization, where(h), h.Role, h.Rule, h.Source, h.Until(), h.ApplicationRows(),
		})
		s.roles = append(s.roles, h.Role)
	}
	return s
}

func grantSection(name, title string, grants []report.UserGrant) section {
	s := section{name: name, title: title, columns: []string{
		"user", "organization", "application", "role", "source", "notBefore", "notAfter",
	}}
	for i := range grants {
		g := &grants[i]
		begins, ends := query.Until(g.Begins), query.Until(g.Ends)
		if g.Begins != nil {
			ends = query.Until(g.NotAfter)
		}
		s.rows = append(s.rows, []string{g.User, g.Organization, g.ScopeText(), g.RoleText(), g.Source, begins, ends})
		s.roles = append(s.roles, g.Role)
	}
	return s
}

func conflictSection(conflicts []query.Conflict) section {
	s := section{name: "conflict", title: "Conflicts", columns: []string{
		"user", "organization", "application", "role", "rule", "detail",
	}}
	for i := range conflicts {
		c := &conflicts[i]
		s.rows = append(s.rows, []string{c.User, c.Organization, c.Where(), c.Role, c.Rule, c.GrantsText()})
		s.roles = append(s.roles, c.Role)
	}
	return s
}

// rowsOf returns a row for each entry.
func rowsOf[T any](entries []T, row func(*T) []string) [][]string {
	rows := make([][]string, len(entries))
	for i := range entries {
		rows[i] = row(&entries[i])
	}
	return rows
}

func exclusionSection(exclusions []query.Exclusion) section {
	return section{
		name: "exclusive", title: "Taken by exclusive access", columns: []string{"user", "organization", "source", "detail"},
		rows: rowsOf(exclusions, func(e *query.Exclusion) []string {
			return []string{e.User, e.Organization, e.Source, e.Name + ": held in " + strings.Join(e.Applications, " and ")}
		}),
	}
}

func barSection(bars []report.UserBar) section {
	return section{
		name: "barred", title: "Barred", columns: []string{"user", "organization", "rule", "source", "notBefore", "notAfter"},
		rows: rowsOf(bars, func(b *report.UserBar) []string {
			return []string{b.User, b.Organization, b.Rule, b.Source, query.Until(b.NotBefore), query.Until(b.NotAfter)}
		}),
	}
}

func reviewSection(title string, reviews []query.Review) section {
	return section{
		name: "review", title: title, columns: []string{"organization", "source", "notAfter", "detail"},
		rows: rowsOf(reviews, func(r *query.Review) []string {
			return []string{
				r.Namespace, query.ObjectName(roster.KindAccessGroup, r.Namespace, r.Group), query.Until(r.Due),
				fmt.Sprintf("%s; ifMissed: %s; %s; confirmed: %s; gives: %s", r.State, r.IfMissed,
					words.Counted(len(r.Members), "member", "members"), cmp.Or(query.Until(r.ReviewedAt), "never"), r.GivesText()),
			}
		}),
	}
}

func accountSection(accounts []report.Account) section {
	return section{
		name: "withoutGrant", title: "Accounts without a grant", columns: []string{"user", "organization", "source"},
		rows: rowsOf(accounts, func(a *report.Account) []string { return []string{a.User, a.Organization, a.Object} }),
	}
}

func remarkSection(name, title string, remarks []query.Remark) section {
	return section{
		name: name, title: title, columns: []string{"source", "detail"},
		rows: rowsOf(remarks, func(r *query.Remark) []string { return []string{r.Object, r.Field + ": " + r.Message} }),
	}
}

func outsideSection(found []report.Outside) section {
	return section{
		name: "outsideInventory", title: "Marked by a GitOps tool and in no inventory of it", columns: []string{"source", "detail"},
		rows: rowsOf(found, func(o *report.Outside) []string {
			if o.Gone {
				return []string{o.Object, o.KeptBy + " does not exist, and nothing will remove it"}
			}
			return []string{o.Object, o.KeptBy + " does not have it in its inventory, and will not remove it"}
		}),
	}
}

// section is a table of the report.
type section struct {
	name, title string
	columns     []string
	rows        [][]string
	// roles returns the role by which a row can be filtered; nil if rows have none.
	roles []string
}

// AuditCSV writes the report as CSV.
func AuditCSV(out io.Writer, a *report.Audit) error {
	var all [][]string
	for _, each := range sections(a, (*query.Holding).Where) {
		for _, row := range each.rows {
			// All sections share one header. Columns that a section lacks stay empty.
			cells := make([]string, len(auditColumns))
			cells[0] = each.name
			for i, column := range each.columns {
				cells[slices.Index(auditColumns, column)] = row[i]
			}
			all = append(all, cells)
		}
	}
	return CSV(out, auditColumns, all)
}

// AuditPage writes the report as a web page.
func AuditPage(out io.Writer, a *report.Audit) error {
	p := &page.Page{Title: "Access report", SectionName: "Part", Notes: notes(a)}
	for _, each := range sections(a, (*query.Holding).Shown) {
		made := &page.Section{Title: each.title, Columns: each.columns}
		if len(each.rows) == 0 {
			made.Notes = []string{"None."}
		}
		for i, row := range each.rows {
			r := page.Row{}
			if each.roles != nil {
				r.Roles = each.roles[i]
			}
			for _, text := range row {
				r.Cells = append(r.Cells, page.Cell{Text: text})
			}
			made.Rows = append(made.Rows, r)
		}
		p.Sections = append(p.Sections, made)
	}
	for i := range a.Holdings {
		p.Roles = append(p.Roles, a.Holdings[i].Role)
	}
	slices.Sort(p.Roles)
	p.Roles = slices.Compact(p.Roles)
	return page.Write(out, p)
}

// AuditMarkdown writes the report as Markdown. It has no size limit, because a report must be complete.
func AuditMarkdown(out io.Writer, a *report.Audit) error {
	m := &markdown{unlimited: true}
	m.line("# Access report\n")
	for _, note := range notes(a) {
		m.line("- %s", code(note))
	}
	m.line("")
	for _, s := range sections(a, (*query.Holding).Shown) {
		m.line("## %s (%s)\n", s.title, strconv.Itoa(len(s.rows)))
		if len(s.rows) == 0 {
			m.line("None.\n")
			continue
		}
		m.table(s.columns, rowsOf(s.rows, func(row *[]string) []string { return mapped(*row, code) }))
	}
	_, err := io.WriteString(out, strings.TrimRight(m.text.String(), "\n")+"\n")
	return err
}
