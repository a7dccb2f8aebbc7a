package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// options are the flags that all commands share: the source of the objects, and the time for which to answer.
type options struct {
	streams terminal.Streams
	clock   func() time.Time
	config  *genericclioptions.ConfigFlags

	filenames            []string
	recursive            bool
	kustomize            string
	allNamespaces        bool
	systemNamespace      string
	organizationSelector string
	at                   string
	maxBytes             resource.QuantityValue

	input *input.Reader
}

func newOptions(streams terminal.Streams, clock func() time.Time) *options {
	return &options{
		streams: streams, clock: clock,
		config:   genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(0),
		maxBytes: resource.QuantityValue{Quantity: *resource.NewQuantity(input.DefaultMaxBytes, resource.BinarySI)},
	}
}

func (o *options) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	o.config.AddFlags(flags)
	flags.StringSliceVarP(&o.filenames, "filename", "f", nil,
		"Files or directories to read instead of a cluster; - is standard input")
	flags.BoolVarP(&o.recursive, "recursive", "R", false, "Read the directories of -f recursively")
	flags.StringVarP(&o.kustomize, "kustomize", "k", "", "A directory with a kustomization to build and read instead of a cluster")
	flags.Var(&o.maxBytes, "max-bytes", "The maximum size of all files and standard input together")
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false,
		"Ask in all organizations. This is the default with -f and -k")
	flags.StringVar(&o.systemNamespace, "system-namespace", "access-system",
		"The namespace above all organizations; the same as for the manager")
	flags.StringVar(&o.organizationSelector, "organization-selector", "",
		"Label selector over the namespaces that may be organizations; the same as for the manager. Empty: with files, "+
			"all namespaces; on a cluster, those that the manager treats as organizations")
	flags.StringVar(&o.at, "at", "",
		"The instant of the answer: RFC 3339, or a date for its first moment in UTC. The objects are the current ones")
	root.MarkFlagsMutuallyExclusive("filename", "kustomize")
	root.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	_ = root.MarkPersistentFlagDirname("kustomize") // the flag exists
}

// reader returns the Reader for all files of the command, so that they share one limit.
func (o *options) reader() *input.Reader {
	if o.input == nil {
		o.input = input.NewReader(o.streams.In, o.maxBytes.Value())
	}
	return o.input
}

// offline reports whether the objects come from files.
func (o *options) offline() bool { return len(o.filenames) > 0 || o.kustomize != "" }

// namespace returns the value of the flag -n, or the empty string without one.
func (o *options) namespace() string { return *o.config.Namespace }

// validate returns the errors of all flags.
func (o *options) validate() error {
	var failures []error
	for _, problem := range validation.IsDNS1123Label(o.systemNamespace) {
		failures = append(failures, fmt.Errorf("--system-namespace %q: %s", o.systemNamespace, problem))
	}
	if _, err := labels.Parse(o.organizationSelector); err != nil {
		failures = append(failures, fmt.Errorf("--organization-selector %q: %w", o.organizationSelector, err))
	}
	if _, err := o.instant(); err != nil {
		failures = append(failures, err)
	}
	if o.maxBytes.Sign() <= 0 {
		failures = append(failures, fmt.Errorf("--max-bytes %s: must be more than 0", o.maxBytes.String()))
	}
	if o.recursive && len(o.filenames) == 0 {
		failures = append(failures, errors.New("-R: there is no directory to read; give one with -f"))
	}
	return errors.Join(failures...)
}

// instant returns the time for which to answer, truncated to whole seconds as in all windows.
func (o *options) instant() (time.Time, error) {
	if o.at == "" {
		return o.clock().UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, strings.TrimSpace(o.at)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q: not an instant; write it as 2026-07-01T09:00:00Z or 2026-07-01", o.at)
}
