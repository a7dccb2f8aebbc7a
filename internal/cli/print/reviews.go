package print

import (
	"cmp"
	"io"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// Reviews writes the reviews.
func Reviews(s *terminal.Streams, reviews []query.Review) error {
	table := &terminal.Table{Columns: []string{"GROUP", "DUE", "IF MISSED", "MEMBERS", "CONFIRMED", "CHANGED BY", "GIVES"}}
	for i := range reviews {
		each := &reviews[i]
		style := terminal.Plain
		switch each.State {
		case query.ReviewDue:
			style = terminal.Yellow
		case query.ReviewEnded:
			style = terminal.Red
		}
		cells := append(plainCells(each.Namespace+"/"+each.Group), terminal.Cell{Text: each.DueText(), Style: style})
		table.Rows = append(table.Rows, append(cells, plainCells(each.IfMissed, strconv.Itoa(len(each.Members)),
			cmp.Or(query.Until(each.ReviewedAt), "never"), each.ChangedBy.Text(), each.GivesText())...))
	}
	return table.Write(s)
}

// ReviewsCSV writes the reviews as CSV.
func ReviewsCSV(out io.Writer, reviews []query.Review) error {
	rows := make([][]string, 0, len(reviews))
	for i := range reviews {
		each := &reviews[i]
		by, at := "", ""
		if each.ChangedBy != nil {
			by, at = each.ChangedBy.Manager, query.InstantText(each.ChangedBy.At)
		}
		rows = append(rows, []string{
			each.Namespace, each.Group, each.DisplayName, query.Until(each.Due), each.State, strconv.Itoa(int(each.EveryDays)),
			each.IfMissed, query.Until(each.ReviewedAt), strconv.Itoa(len(each.Members)), strings.Join(each.Members, " "),
			strings.Join(each.Gives, "; "), by, at,
		})
	}
	return CSV(out, []string{
		"namespace", "group", "displayName", "due", "state", "everyDays", "ifMissed", "reviewedAt", "memberCount", "members", "gives",
		"changedBy", "changedAt",
	}, rows)
}
