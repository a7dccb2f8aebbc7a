package app

import (
	"errors"

	"github.com/spf13/cobra"
)

// newPDPCommand returns a command that runs the decision point.
func newPDPCommand() *cobra.Command {
	command := newSubcommand("pdp", "Answer over HTTP who may do what in which application")
	addCommonFlags(command)
	command.RunE = func(*cobra.Command, []string) error { return errors.New("not implemented yet") }
	return command
}
