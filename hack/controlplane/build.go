package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Modules whose versions go.mod determines. The version of etcd is that of the etcd client in Kubernetes.
const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
)

// versions maps modules to versions.
type versions map[string]string

func readVersions(ctx context.Context, source string) (versions, error) {
	read := versions{}
	for _, m := range []string{kubernetesModule, etcdModule} {
		out, err := goTool(ctx, source, "list", "-mod=readonly", "-m", "-f", "{{.Version}}", m)
		if err != nil {
			return nil, fmt.Errorf("read the version of %s: %w", m, err)
		}
		read[m] = strings.TrimSpace(out)
	}
	return read, nil
}

// buildAll builds the components into dir and reports progress. The compiler flags are those of all other builds in
// this repository, so that packages which Kubernetes and Usher share are compiled once. Only the linker flags differ.
func (a *assets) buildAll(ctx context.Context, dir string, versions versions, components []component) error {
	var names, packages []string
	for _, c := range components {
		names = append(names, c.name+" "+versions[c.module])
		packages = append(packages, c.pkg)
	}
	what := strings.Join(names, ", ")
	done := reportWhile(a.progress, func() string { return "downloading the sources of " + what })
	plan, err := planBuild(ctx, a.source, packages)
	done()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.progress, "building %s from source, once: %d packages\n", what, plan.all)
	done = reportWhile(a.progress, func() string { return "building the control plane: " + plan.report() })
	args := append([]string{
		"build", "-v", "-mod=readonly", "-ldflags", "-s -w " + versionFlags(versions[kubernetesModule]), "-o", dir + "/",
	}, packages...)
	err = runGo(ctx, a.source, io.Discard, plan, args)
	done()
	if err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	_, _ = fmt.Fprintf(a.progress, "built %s\n", what)
	for _, c := range components {
		if err := os.Rename(filepath.Join(dir, c.program), filepath.Join(dir, c.name)); err != nil {
			return fmt.Errorf("name %s: %w", c.name, err)
		}
	}
	return nil
}

// versionFlags sets the version variables as in a release of Kubernetes. Otherwise clients see v0.0.0 and refuse to
// work or guess.
func versionFlags(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const variables = "k8s.io/component-base/version."
	var flags []string
	for _, set := range [][2]string{
		{"gitVersion", version}, {"gitMajor", major}, {"gitMinor", minor}, {"gitTreeState", "clean"},
	} {
		flags = append(flags, "-X "+variables+set[0]+"="+set[1])
	}
	return strings.Join(flags, " ")
}

// goTool runs the go command on the module in dir and returns its output.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	var stdout bytes.Buffer
	err := runGo(ctx, dir, &stdout, io.Discard, args)
	return stdout.String(), err
}

// runGo runs the go command on the module in dir, independent of the caller's workspace and flags. An error contains
// the standard error output.
func runGo(ctx context.Context, dir string, stdout, stderr io.Writer, args []string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// Compilers that collect garbage less often need a fifth less time. GOGC in the caller's environment takes
	// precedence.
	cmd.Env = append(append([]string{"GOGC=400"}, os.Environ()...), "GOFLAGS=", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, &said)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, tail(said.String()))
	}
	return nil
}

// tail returns the end of the go command's output, without the list of packages.
func tail(said string) string {
	const lines = 20
	all := strings.Split(strings.TrimSpace(said), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
