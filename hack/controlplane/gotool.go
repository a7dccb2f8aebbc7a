package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is one whose version go.mod decides. dir is where, below the source directory:
// etcd has a go.mod of its own, since Kubernetes' client of etcd would raise the server.
type module struct {
	path string
	dir  string
}

var (
	kubernetesModule = module{path: "k8s.io/kubernetes", dir: "."}
	etcdModule       = module{path: "go.etcd.io/etcd/server/v3", dir: "etcd"}
)

type versions map[module]string

func readVersions(ctx context.Context, source string) (versions, error) {
	read := versions{}
	for _, m := range []module{kubernetesModule, etcdModule} {
		out, err := goTool(ctx, filepath.Join(source, m.dir), "list", "-mod=readonly", "-m", "-f", "{{.Version}}", m.path)
		if err != nil {
			return nil, fmt.Errorf("read the version of %s: %w", m.path, err)
		}
		read[m] = strings.TrimSpace(out)
	}
	return read, nil
}

func build(ctx context.Context, source string, c component, v versions, target string) error {
	flags := "-s -w"
	if c.module == kubernetesModule {
		flags += " " + versionFlags(v[kubernetesModule])
	}
	_, err := goTool(ctx, filepath.Join(source, c.module.dir),
		"build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", target, c.pkg)
	if err != nil {
		return fmt.Errorf("build %s: %w", c.name, err)
	}
	return nil
}

// versionFlags stamps what a release of Kubernetes is stamped with: without it clients
// see v0.0.0 and refuse or guess.
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

// goTool runs the go command on the module in dir, whatever workspace and flags the
// caller lives with.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
