package console

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/query"
)

const day = 24 * time.Hour

// mostDays is larger than the longest interval between two reviews.
const mostDays = 3650

func (s *Server) reviewsPage(r *http.Request) (reply, error) {
	w := s.world()
	f := s.newFrame(r, "Reviews")
	f.Part = partReviews
	days := 30
	if text := f.Value("within"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > mostDays {
			return nil, &problem{Status: http.StatusBadRequest, Title: "No such time", Text: fmt.Sprintf("%q is not a number of days from 0 to %d.", text, mostDays)}
		}
		days = n
	}
	reviews := query.Reviews(w, w.GroupObjects(w.Scope), w.Now().Add(time.Duration(days)*day))
	shown, pages := cut(f, reviews, pageSize)
	made := &table{
		Caption: fmt.Sprintf("%d reviews", len(reviews)), Pages: pages,
		Columns: []column{{Name: "Group"}, {Name: "Due"}, {Name: "Members"}, {Name: "Gives"}, {Name: "Confirmed"}, {Name: "If missed"}},
		Select:  &selecting{Action: s.renderer.url("bulk"), Name: "group", Buttons: []option{{Value: bulkConfirm, Text: "Confirm"}}},
	}
	for i := range shown {
		each := &shown[i]
		due := cell{Text: cmp.Or(instant(each.Due), "now"), Note: strings.ToLower(each.State), Mark: "warn"}
		if each.State == query.ReviewComing {
			due.Mark = ""
		}
		made.Rows = append(made.Rows, row{Key: each.Namespace + "/" + each.Group, Cells: []cell{
			{Text: cmp.Or(each.DisplayName, each.Group), Link: s.groupLink(each.Namespace, each.Group), Note: each.Namespace},
			due, {Text: strconv.Itoa(len(each.Members))}, {Text: cmp.Or(shortened(strings.Join(each.Gives, "; ")), "nothing")},
			{Text: cmp.Or(instant(each.ReviewedAt), "never")}, {Text: each.IfMissed},
		}})
	}
	return &page{frame: f, template: "content", data: &content{
		Lead: "Groups whose members and privileges somebody has to confirm. Look at a group before you confirm it.",
		Sections: []section{{
			Filters: []filter{{Name: "within", Label: "Due within", Options: options(strconv.Itoa(days),
				option{Value: "0", Text: "now"}, option{Value: "30", Text: "30 days"}, option{Value: "90", Text: "90 days"},
				option{Value: "365", Text: "a year"}, option{Value: strconv.Itoa(mostDays), Text: "any time"})}},
			Table: made, Empty: "No review is due in this time.",
		}},
	}}, nil
}
