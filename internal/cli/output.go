package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/words"
)

// The output formats.
const (
	asText     = "text"
	asTable    = "table"
	asWide     = "wide"
	asJSON     = "json"
	asCSV      = "csv"
	asHTML     = "html"
	asMarkdown = "markdown"
)

// output is the flag -o. It takes one of the formats of a command, with the first as the default. Any other format is
// refused before the command runs.
type output struct{ format string }

func newOutput(command *cobra.Command, formats ...string) *output {
	o := &output{}
	command.Flags().StringVarP(&o.format, "output", "o", formats[0], "Output format: "+strings.Join(formats, ", "))
	completeValues(command, "output", formats...)
	command.PreRunE = func(*cobra.Command, []string) error { return checkFlag("-o", o.format, formats...) }
	return o
}

// checkFlag returns an error unless the value of a flag is one of the allowed values.
func checkFlag(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("invalid value %q for %s: use %s", value, flag, words.Alternatives(allowed))
}

// arguments returns a check of the number of arguments whose error contains the usage.
func arguments(minimum, maximum int, usage string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) >= minimum && (maximum < 0 || len(args) <= maximum) {
			return nil
		}
		return fmt.Errorf("%s takes %s; got %s\nSee '%s --help'", command.Name(), usage,
			words.Counted(len(args), "argument", "arguments"), command.CommandPath())
	}
}
