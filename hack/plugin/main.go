// Command plugin builds the kubectl plugin into the archives that .krew.yaml names, and prints the checksum of each.
// The build is reproducible. It imports nothing of Usher.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	dist := flag.String("dist", "dist", "the directory to write to")
	ldflags := flag.String("ldflags", "", "flags for the linker")
	flag.Parse()
	if err := run(context.Background(), ".", *dist, *ldflags, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
}

// archive is the archive that krew downloads for a platform.
type archive struct{ name, system, machine, format string }

// named matches an archive in its download address.
var named = regexp.MustCompile(`/(kubectl-access_([a-z]+)_([a-z0-9]+)\.(tar\.gz|zip))`)

func archivesIn(manifest string) []archive {
	var found []archive
	for _, match := range named.FindAllStringSubmatch(manifest, -1) {
		found = append(found, archive{name: match[1], system: match[2], machine: match[3], format: match[4]})
	}
	return found
}

func run(ctx context.Context, root, dist, ldflags string, out io.Writer) error {
	manifest, err := os.ReadFile(filepath.Join(root, ".krew.yaml"))
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return err
	}
	archives := archivesIn(string(manifest))
	if len(archives) == 0 {
		return errors.New(".krew.yaml names no archive")
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return fmt.Errorf("make a directory for the archives: %w", err)
	}
	for _, a := range archives {
		program, err := a.build(ctx, root, ldflags)
		if err != nil {
			return err
		}
		packed, err := a.pack(program, license)
		if err != nil {
			return fmt.Errorf("pack %s: %w", a.name, err)
		}
		if err := os.WriteFile(filepath.Join(dist, a.name), packed, 0o644); err != nil {
			return fmt.Errorf("write an archive: %w", err)
		}
		if _, err := fmt.Fprintf(out, "%x  %s\n", sha256.Sum256(packed), a.name); err != nil {
			return err
		}
	}
	return nil
}

// build compiles the program and returns it.
func (a archive) build(ctx context.Context, root, ldflags string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "usher-plugin-")
	if err != nil {
		return nil, fmt.Errorf("make a directory to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target := filepath.Join(dir, "kubectl-access")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", root, "-trimpath",
		"-ldflags="+strings.TrimSpace("-s -w "+ldflags), "-o", target, "./cmd/kubectl-access")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+a.system, "GOARCH="+a.machine)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build for %s/%s: %w\n%s", a.system, a.machine, err, bytes.TrimSpace(output))
	}
	return os.ReadFile(target)
}

// pack returns the archive with the program and the license.
func (a archive) pack(program, license []byte) ([]byte, error) {
	name := "kubectl-access"
	if a.system == "windows" {
		name += ".exe"
	}
	var packed bytes.Buffer
	var err error
	if a.format == "zip" {
		err = packZip(&packed, name, program, license)
	} else {
		err = packTar(&packed, name, program, license)
	}
	return packed.Bytes(), err
}

const licenseName = "LICENSE"

func packZip(w io.Writer, name string, program, license []byte) error {
	packer := zip.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{{name, program}, {licenseName, license}} {
		entry, err := packer.Create(file.name)
		if err != nil {
			return err
		}
		if _, err := entry.Write(file.content); err != nil {
			return err
		}
	}
	return packer.Close()
}

func packTar(w io.Writer, name string, program, license []byte) error {
	compressed := gzip.NewWriter(w)
	packer := tar.NewWriter(compressed)
	for _, file := range []struct {
		name    string
		mode    int64
		content []byte
	}{{name, 0o755, program}, {licenseName, 0o644, license}} {
		header := &tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content)), Format: tar.FormatUSTAR}
		if err := packer.WriteHeader(header); err != nil {
			return err
		}
		if _, err := packer.Write(file.content); err != nil {
			return err
		}
	}
	return errors.Join(packer.Close(), compressed.Close())
}
