package console

import "net/http"

// problem is an error that a page reports: what happened, and what to do. Text also says what was not done.
type problem struct {
	Status      int
	Title, Text string
}

// Error returns the title and the text.
func (p *problem) Error() string { return p.Title + ": " + p.Text }

func forbidden(title, text string) *problem {
	return &problem{Status: http.StatusForbidden, Title: title, Text: text}
}

func notFound(title, text string) *problem {
	return &problem{Status: http.StatusNotFound, Title: title, Text: text}
}
