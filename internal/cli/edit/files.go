package edit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// Manifests returns the changed objects as YAML documents. With fromFiles, it edits the documents that the objects were
// read from, and keeps their comments. It renders new objects, and objects of a cluster or a kustomization, anew.
func Manifests(changes []objects.Change, fromFiles bool) ([][]byte, error) {
	rewriter := &objects.Rewriter{}
	var rendered [][]byte
	for i := range changes {
		c := &changes[i]
		if c.Before != nil && fromFiles {
			if err := rewriter.Edit(c); err != nil {
				return nil, err
			}
			continue
		}
		text, err := objects.RenderManifest(c.After.Object)
		if err != nil {
			return nil, err
		}
		rendered = append(rendered, text)
	}
	edited, err := rewriter.Documents()
	return slices.Concat(edited, rendered), err
}

// Files returns the new content of the files that the changed objects were read from, by name. It reads them again, and
// keeps everything else in them.
func Files(ctx context.Context, changes []objects.Change, in *input.Reader) (map[string][]byte, error) {
	rewriter := &objects.Rewriter{}
	for i := range changes {
		if err := rewriter.Edit(&changes[i]); err != nil {
			return nil, err
		}
	}
	return rewriter.Files(func(name string) ([]byte, error) { return in.File(ctx, name) })
}

// ReplaceFile replaces the content of the file atomically, and keeps its mode. A symbolic link stays a link.
func ReplaceFile(name string, content []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".kubectl-access-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
