package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/internal/cli/edit"
)

// windowFlags are the flags for a window.
type windowFlags struct{ notBefore, notAfter string }

func (f *windowFlags) add(command *cobra.Command, what string) {
	flags := command.Flags()
	flags.StringVar(&f.notBefore, "not-before", "", "The first instant of "+what+": RFC 3339, a date for its first moment in UTC, or none")
	flags.StringVar(&f.notAfter, "not-after", "", "The first instant after "+what+": RFC 3339, a date for its first moment in UTC, or none")
}

func (f *windowFlags) parse() (*edit.Window, error) {
	w := &edit.Window{}
	var failures []error
	for _, each := range []struct {
		flag, text string
		into       **metav1.Time
	}{{"--not-before", f.notBefore, &w.NotBefore}, {"--not-after", f.notAfter, &w.NotAfter}} {
		if each.text == "" {
			continue
		}
		t, err := edit.ParseInstant(each.text)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", each.flag, err))
		}
		*each.into = t
	}
	return w, errors.Join(failures...)
}
