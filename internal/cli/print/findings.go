package print

import (
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/report"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// Findings writes the findings, one line each.
func Findings(s *terminal.Streams, findings []report.Finding) error {
	for i := range findings {
		f := &findings[i]
		style := terminal.Yellow
		switch f.Severity {
		case report.SeverityError:
			style = terminal.Red
		case report.SeverityRight:
			style = terminal.Bold
		}
		at := ""
		if f.File != "" {
			at = terminal.Escape(objects.Origin{File: f.File, Line: f.Line}.String()) + ": "
		}
		plain := f.Remark
		plain.File = ""
		text := terminal.Escape(strings.TrimPrefix(plain.Text(), ": "))
		if _, err := fmt.Fprintf(s.Out, "%s%s: %s\n", at, s.Paint(f.Severity, style), text); err != nil {
			return err
		}
	}
	return nil
}
