package app

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string // each in the error; none: valid
	}{
		"defaults":       {},
		"as shipped":     {args: []string{"--organization-selector=access.usher.dev/organization=enabled", "--leader-elect"}},
		"no namespace":   {args: []string{"--system-namespace="}, want: []string{"--system-namespace"}},
		"not a selector": {args: []string{"--organization-selector=a in b"}, want: []string{"--organization-selector", `"a in b"`}},
		"everything wrong": {
			args: []string{"--system-namespace=A_B", "--document-grace=-1s"},
			want: []string{`--system-namespace "A_B"`, "--document-grace -1s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o Options
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(flags)
			if err := flags.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			err := o.Validate()
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("got error %v", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	var o Options
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	want := Options{
		SystemNamespace: "access-system", DocumentGrace: 2 * time.Minute,
		MetricsBindAddress: "0", MetricsSecure: true, HealthProbeBindAddress: ":8081",
	}
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

func TestTheCommandRefusesWhatIsWrong(t *testing.T) {
	command := NewCommand()
	command.SetArgs([]string{"--document-grace=-1s"})
	if err := command.Execute(); err == nil || !strings.Contains(err.Error(), "--document-grace") {
		t.Errorf("got %v", err)
	}
}
