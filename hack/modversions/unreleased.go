package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// unreleased is the version in go.mod for a module of this repository that has no release yet. go.work finds such a
// module, but "go get" and "go mod tidy" ignore go.work.
const unreleased = "v0.0.0"

// changeModule runs a go command that may change go.mod and go.sum in dir. If go.mod requires unreleased modules, the
// command works on a copy of go.mod that replaces them by their directories.
func changeModule(ctx context.Context, dir string, out io.Writer, command []string, args ...string) error {
	path := filepath.Join(dir, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		return err
	}
	replaced := replaceUnreleased(file)
	if len(replaced) == 0 {
		return runGo(ctx, dir, out, slices.Concat(command, args)...)
	}
	temporary, err := os.MkdirTemp("", "modversions-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := writeModule(temporary, file); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "go.sum"), filepath.Join(temporary, "go.sum")); err != nil {
		return err
	}
	modfileFlag := "-modfile=" + filepath.Join(temporary, "go.mod")
	if err := runGo(ctx, dir, out, slices.Concat(command, []string{modfileFlag}, args)...); err != nil {
		return err
	}
	return takeBack(temporary, dir, replaced)
}

// replaceUnreleased replaces the unreleased modules below the module of the file by their directories, and returns
// their paths.
func replaceUnreleased(file *modfile.File) []string {
	var paths []string
	for _, required := range file.Require {
		below, found := strings.CutPrefix(required.Mod.Path, file.Module.Mod.Path+"/")
		if found && required.Mod.Version == unreleased {
			paths = append(paths, required.Mod.Path)
			// It can fail only on a path or version that Parse would have rejected.
			_ = file.AddReplace(required.Mod.Path, "", "./"+below, "")
		}
	}
	return paths
}

// takeBack copies go.mod and go.sum to dir, without the replacements.
func takeBack(temporary, dir string, replaced []string) error {
	path := filepath.Join(temporary, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		return err
	}
	for _, module := range replaced {
		if err := file.DropReplace(module, ""); err != nil {
			return err
		}
	}
	file.Cleanup()
	if err := writeModule(dir, file); err != nil {
		return err
	}
	return copyFile(filepath.Join(temporary, "go.sum"), filepath.Join(dir, "go.sum"))
}

// writeModule writes go.mod if it has changed.
func writeModule(dir string, file *modfile.File) error {
	content, err := file.Format()
	if err != nil {
		return err
	}
	return writeChanged(filepath.Join(dir, "go.mod"), content)
}

// copyFile copies a file if it exists.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return writeChanged(to, content)
}

func writeChanged(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return os.WriteFile(path, content, 0o644)
}

func runGo(ctx context.Context, dir string, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s in %s: %w", strings.Join(args, " "), dir, err)
	}
	return nil
}
