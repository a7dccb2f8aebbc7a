package print

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/page"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/words"
)

// Matrix writes the matrix of one organization. With several, its name is the title.
func Matrix(s *terminal.Streams, of *query.Matrix, several, wide bool) error {
	if several {
		title := s.Paint("Organization "+terminal.Escape(of.Organization), terminal.Bold)
		if _, err := fmt.Fprintln(s.Out, title); err != nil {
			return err
		}
	}
	if len(of.Users) == 0 {
		return nil
	}
	table := &terminal.Table{Columns: []string{"USER", "(ORGANIZATION)"}, Keep: 1}
	for i, application := range of.Applications {
		title := strings.TrimPrefix(of.Titles[i], application)
		table.Columns = append(table.Columns, strings.ToUpper(application)+title)
	}
	table.Columns = append(table.Columns, "(ANY OTHER)")
	for i := range of.Users {
		row := &of.Users[i]
		cells := []terminal.Cell{{Text: row.User}, matrixCell(&row.OrganizationRole, wide)}
		for _, application := range of.Applications {
			cells = append(cells, matrixCell(row.Applications[application], wide))
		}
		table.Rows = append(table.Rows, append(cells, matrixCell(&row.Default, wide)))
	}
	return table.Write(s)
}

func matrixCell(h *query.Holding, wide bool) terminal.Cell {
	cell := roleCell(h)
	cell.Text += rowsMark(h)
	if wide {
		cell.Text += " " + shortReason(h)
	}
	return cell
}

// rowsMark returns a mark if not all rows are visible.
func rowsMark(h *query.Holding) string {
	if h.Gives() && len(h.Filters) > 0 {
		return " (rows)"
	}
	return ""
}

func shortReason(h *query.Holding) string {
	text := h.Rule
	if h.NotAfter != nil {
		text += " until " + h.Until()
	}
	return "[" + text + "]"
}

// MatrixPage writes the matrices of an instant as a web page.
func MatrixPage(out io.Writer, at time.Time, all []query.Matrix) error {
	p := &page.Page{
		Title: "Access", SectionName: "Organization",
		Notes: []string{"Who may do what, as of " + query.InstantText(at) + "."},
	}
	for i := range all {
		p.Sections = append(p.Sections, matrixSection(&all[i]))
		for _, r := range all[i].Rules.Rules().ApplicationRoles {
			p.Roles = append(p.Roles, r.Name)
		}
		for _, r := range all[i].Rules.Rules().OrganizationRoles {
			p.Roles = append(p.Roles, r.Name)
		}
	}
	slices.Sort(p.Roles)
	p.Roles = append(slices.Compact(p.Roles), resolve.NoAccess)
	return page.Write(out, p)
}

func matrixSection(of *query.Matrix) *page.Section {
	s := &page.Section{Title: of.Organization, Columns: append([]string{"User", "(organization)"}, of.Titles...)}
	s.Columns = append(s.Columns, "(any other)")
	s.Notes = []string{words.Counted(len(of.Users), "user", "users") + ", " +
		words.Counted(len(of.Applications), "application", "applications")}
	for i := range of.Users {
		user := &of.Users[i]
		row := page.Row{Cells: []page.Cell{{Text: user.User}}}
		roles := []string{}
		add := func(h *query.Holding, place int) {
			roles = append(roles, h.Role)
			row.Cells = append(row.Cells, holdingCell(h, place))
		}
		add(&user.OrganizationRole, query.OrganizationRung(of.Rules, user.OrganizationRole.Role))
		for _, application := range of.Applications {
			add(user.Applications[application], query.Rung(of.Rules, user.Applications[application].Role))
		}
		add(&user.Default, query.Rung(of.Rules, user.Default.Role))
		slices.Sort(roles)
		row.Roles = strings.Join(slices.Compact(roles), " ")
		s.Rows = append(s.Rows, row)
	}
	return s
}

// holdingCell returns the page cell of a role with its reason. It is sorted by the role's position on the ladder.
func holdingCell(h *query.Holding, place int) page.Cell {
	reason := h.Rule
	if h.Source != "" {
		reason += ", by " + h.Source
	}
	if h.NotAfter != nil {
		reason += ", until " + h.Until()
	}
	if h.Gives() && len(h.Filters) > 0 {
		reason += "; rows: " + h.Rows()
	}
	return page.Cell{
		Text: h.Role + rowsMark(h), Order: strconv.Itoa(place), Reason: reason, Faint: !h.Gives(),
	}
}
