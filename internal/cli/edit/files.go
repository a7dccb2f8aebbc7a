package edit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// Manifests returns the changed objects as YAML documents. With fromFiles, it edits the documents that the objects were
// read from, and keeps their comments. It renders new objects, and objects of a cluster or a kustomization, again. It omits
// deleted objects.
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
		if c.After == nil {
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
// keeps everything else in them. The content of a file without any object left is nil. See [NewFiles] for new objects.
func Files(ctx context.Context, changes []objects.Change, in *input.Reader) (map[string][]byte, error) {
	rewriter := &objects.Rewriter{}
	for i := range changes {
		if changes[i].Before == nil {
			continue
		}
		if err := rewriter.Edit(&changes[i]); err != nil {
			return nil, err
		}
	}
	return rewriter.Files(func(name string) ([]byte, error) { return in.File(ctx, name) })
}

// NewFiles returns a file in the directory for each object after the changes, with its manifest, by name. It omits files that have
// this content already, and returns an error for a file with other content, which may contain manual changes.
func NewFiles(ctx context.Context, directory string, changes []objects.Change) (map[string][]byte, error) {
	files := map[string][]byte{}
	for i := range changes {
		if changes[i].After == nil {
			continue
		}
		text, err := objects.RenderManifest(changes[i].After.Object)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(directory, strings.ToLower(strings.ReplaceAll(changes[i].Name(), "/", "-"))+".yaml")
		content, err := input.NewReader(nil, int64(len(text))).File(ctx, name)
		if err == nil && slices.Equal(content, text) {
			continue
		}
		if _, err := os.Lstat(name); err == nil {
			return nil, fmt.Errorf("%s exists with other content; choose another --output-dir, or remove the file", name)
		}
		files[name] = text
	}
	return files, nil
}

// CreateFile writes a new file. It returns an error if the file exists.
func CreateFile(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// ReplaceFile replaces the content of the file atomically, and keeps its mode. A symbolic link stays a link. It removes the
// file if the content is nil.
func ReplaceFile(name string, content []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	if content == nil {
		return os.Remove(name)
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
