package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// look is the interval at which files are looked at for changes by others.
const look = 2 * time.Second

// filesBackend holds the objects of files. It writes changes into the files, and keeps their comments and order.
type filesBackend struct {
	newest

	from  source.Source
	clock func() time.Time

	loading sync.Mutex
	failure error
	seen    string
}

// NewFiles returns a backend for files, which it reads again when they change, until the context ends.
func NewFiles(ctx context.Context, from source.Source, clock func() time.Time) (Backend, error) {
	b := &filesBackend{from: from, clock: clock}
	if err := b.reload(ctx); err != nil {
		return nil, err
	}
	go b.follow(ctx)
	return b, nil
}

// reload reads the files.
func (b *filesBackend) reload(ctx context.Context) error {
	b.loading.Lock()
	defer b.loading.Unlock()
	from := b.from
	from.Input, from.AllNamespaces = b.from.Input.Renewed(), true
	seen := b.fingerprint()
	w, err := from.LoadToChange(ctx, b.clock().UTC().Truncate(time.Second))
	b.mu.Lock()
	b.failure, b.seen = err, seen
	b.mu.Unlock()
	if err == nil {
		b.set(w)
	}
	return err
}

// follow reads the files again when they have changed, or when a window opens or closes.
func (b *filesBackend) follow(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		b.mu.Lock()
		seen, w := b.seen, b.world
		b.mu.Unlock()
		if b.fingerprint() != seen {
			_ = b.reload(ctx) // the notes of every page show the error
			continue
		}
		if next := w.Next(); !next.IsZero() && !b.clock().Before(next) {
			b.set(at(w, b.clock()))
		}
	}
}

// fingerprint returns the names, sizes and times of the files.
func (b *filesBackend) fingerprint() string {
	var text strings.Builder
	names := b.from.Filenames
	if b.from.Kustomize != "" {
		names = []string{b.from.Kustomize}
	}
	for _, name := range names {
		// What cannot be read is reported when the files are read.
		_ = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // see above
			}
			if info, err := d.Info(); err == nil {
				fmt.Fprintln(&text, path, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return text.String()
}

// Describe names the files.
func (b *filesBackend) Describe() (from, caller string) {
	if b.from.Kustomize != "" {
		return "Kustomization " + b.from.Kustomize, ""
	}
	return "Files of " + strings.Join(b.from.Filenames, ", "), ""
}

// Notes reports whether the files could be read.
func (b *filesBackend) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil {
		return nil
	}
	return []string{"The files cannot be read now, and the pages show what they contained before. " + b.failure.Error()}
}

// InFiles returns true.
func (b *filesBackend) InFiles() bool { return true }

// Manifests returns the documents of the files with the changes. The output of a kustomization has no such document.
func (b *filesBackend) Manifests(changes []objects.Change) ([][]byte, error) {
	return edit.Manifests(changes, b.from.Kustomize == "")
}

// DryRun returns nothing, because there is no server to ask.
func (b *filesBackend) DryRun(context.Context, *edit.Plan) []edit.Outcome { return nil }

// Notify returns failures, because nobody can be told from files.
func (b *filesBackend) Notify(_ context.Context, all []edit.Notice, _ time.Time) []edit.Outcome {
	made := make([]edit.Outcome, len(all))
	for i := range all {
		made[i] = failedOutcome(objects.Name(all[i].Object), errors.New("from files nobody is told"))
	}
	return made
}

// Write edits the files. It computes every file before it writes the first, so an error leaves all of them alone.
func (b *filesBackend) Write(ctx context.Context, plan *edit.Plan) []edit.Outcome {
	changed := plan.Changed()
	files, err := b.contents(ctx, changed)
	made := make([]edit.Outcome, len(changed))
	for i := range changed {
		c := &changed[i]
		made[i] = edit.Outcome{Object: c.Name(), State: edit.StateApplied}
		if err != nil {
			made[i] = failedOutcome(c.Name(), err)
		}
	}
	if err != nil {
		return made
	}
	for _, name := range sortedNames(files) {
		if err = replace(name, files[name]); err == nil {
			continue
		}
		for i := range made {
			made[i].State, made[i].Failed = edit.StateUnknown, true
			made[i].Reason = fmt.Sprintf("%s: %s. Files before it in the alphabet are written, those after it are not", name, err)
		}
		break
	}
	if err := b.reload(ctx); err != nil {
		for i := range made {
			made[i].Warnings = append(made[i].Warnings, "The files were written, but cannot be read now: "+err.Error())
		}
	}
	return made
}

// contents returns the new content of the files.
func (b *filesBackend) contents(ctx context.Context, changed []objects.Change) (map[string][]byte, error) {
	if b.from.Kustomize != "" {
		return nil, errors.New("a kustomization is built from several files, so it is not edited; download the manifest, or use -f")
	}
	files, err := edit.Files(ctx, changed, b.from.Input.Renewed())
	if err != nil {
		return nil, err
	}
	created := slices.DeleteFunc(slices.Clone(changed), func(c objects.Change) bool { return c.Before != nil })
	if len(created) == 0 {
		return files, nil
	}
	directory, err := b.directory()
	if err != nil {
		return nil, err
	}
	made, err := edit.NewFiles(ctx, directory, created)
	maps.Copy(files, made)
	return files, err
}

// directory returns the directory for new objects: the first that is read.
func (b *filesBackend) directory() (string, error) {
	for _, name := range b.from.Filenames {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return name, nil
		}
	}
	return "", errors.New("a new object needs a directory; run the console with -f DIRECTORY, or download the manifest")
}

// replace writes the file, or creates it.
func replace(name string, content []byte) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return edit.CreateFile(name, content)
	}
	return edit.ReplaceFile(name, content)
}
