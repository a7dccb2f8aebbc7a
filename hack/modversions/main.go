// Command modversions checks that all modules of this repository require the same version of every module that several
// of them require. The go command compiles a package again for every combination of versions of its dependencies, so a
// difference in a common dependency causes a second compilation of everything that depends on it.
//
//	go run ./hack/modversions DIR...                lists the differences and fails if there are any
//	go run ./hack/modversions --fix DIR...          raises each to the highest version
//	go run ./hack/modversions --tidy DIR...         runs "go mod tidy" on each module
//	go run ./hack/modversions --tidy --diff DIR...  fails if that would change anything
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// excused are the modules that may differ, with the reason.
var excused = map[string]string{
	"github.com/gobwas/glob": "Argo CD takes v0, OPA v1",
	"k8s.io/kubectl":         "Argo CD takes an older one",
}

// rounds is the maximum number of iterations, because raising a requirement of one module may raise others.
const rounds = 5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "modversions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("modversions", flag.ContinueOnError)
	fix := flags.Bool("fix", false, "raise each to the highest version")
	tidy := flags.Bool("tidy", false, `run "go mod tidy" on each module`)
	diff := flags.Bool("diff", false, "with --tidy: change nothing, and fail on a difference")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *tidy {
		return tidyAll(ctx, flags.Args(), *diff, out)
	}
	for round := 0; ; round++ {
		required, err := read(flags.Args())
		if err != nil {
			return err
		}
		lower := required.lower()
		if len(lower) == 0 {
			return nil
		}
		if !*fix || round == rounds {
			for _, line := range required.differences() {
				_, _ = fmt.Fprintln(out, line)
			}
			return errors.New(`modules require different versions: "make modules" raises them`)
		}
		for _, dir := range slices.Sorted(maps.Keys(lower)) {
			if err := raise(ctx, dir, lower[dir], out); err != nil {
				return err
			}
		}
	}
}

// versions maps a required module to its versions, by the directory of the requiring module.
type versions map[string]map[string]string

func read(dirs []string) (versions, error) {
	required := versions{}
	for _, dir := range dirs {
		path := filepath.Join(dir, "go.mod")
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(path, content, nil)
		if err != nil {
			return nil, err
		}
		replaced := map[string]string{}
		for _, r := range file.Replace {
			replaced[r.Old.Path] = r.New.Version
		}
		for _, r := range file.Require {
			version := r.Mod.Version
			if by, found := replaced[r.Mod.Path]; found {
				version = by
			}
			// A replacement by a directory has no version.
			if version == "" || excused[r.Mod.Path] != "" {
				continue
			}
			if required[r.Mod.Path] == nil {
				required[r.Mod.Path] = map[string]string{}
			}
			required[r.Mod.Path][dir] = version
		}
	}
	return required, nil
}

func highest(by map[string]string) string {
	return slices.MaxFunc(slices.Collect(maps.Values(by)), semver.Compare)
}

// lower returns the modules to raise in each directory.
func (v versions) lower() map[string][]string {
	queries := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(v)) {
		wanted := highest(v[path])
		for dir, version := range v[path] {
			if version != wanted {
				queries[dir] = append(queries[dir], path+"@"+wanted)
			}
		}
	}
	return queries
}

// differences returns a line for every version that is not the highest.
func (v versions) differences() []string {
	var lines []string
	for path, by := range v {
		wanted := highest(by)
		for dir, version := range by {
			if version != wanted {
				lines = append(lines, fmt.Sprintf("%s: %s is %s, elsewhere %s", dir, path, version, wanted))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// raise makes the go command use the versions, or newer ones if they require each other.
func raise(ctx context.Context, dir string, queries []string, out io.Writer) error {
	if err := changeModule(ctx, dir, out, []string{"get"}, queries...); err != nil {
		return err
	}
	return changeModule(ctx, dir, out, []string{"mod", "tidy"})
}

func tidyAll(ctx context.Context, dirs []string, diff bool, out io.Writer) error {
	var flags []string
	if diff {
		flags = []string{"-diff"}
	}
	for _, dir := range dirs {
		if err := changeModule(ctx, dir, out, []string{"mod", "tidy"}, flags...); err != nil {
			return err
		}
	}
	return nil
}
