package objects

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/usher-dev/usher/internal/cli/input"
)

// Files defines which files to read.
type Files struct {
	// Names are the files and directories to read; - stands for standard input.
	Names []string
	// Recursive also reads all subdirectories of directories.
	Recursive bool
	// Kustomize is the directory of a kustomization to build instead of reading Names.
	Kustomize string
	// Namespace is the namespace of objects that name none.
	Namespace string

	// Input reads the files.
	Input *input.Reader
	// Say reports progress; it may be nil.
	Say func(format string, args ...any)
}

// file is a file that was read, or an error for a file that could not be read.
type file struct {
	name string
	data []byte
	err  error
	// lines reports whether the lines of data are the lines of a file.
	lines bool
}

// Read reads all objects in the files. It returns an error if no answer is possible. An error in one of several
// files is a problem of the set.
func (f *Files) Read(ctx context.Context) (*Set, error) {
	files, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	var documents []*document
	for _, each := range files {
		if each.err != nil {
			s.Problems = append(s.Problems, Problem{Origin{File: each.name}, each.err})
			continue
		}
		if documents, err = f.split(documents, each); err != nil {
			return nil, fmt.Errorf("%s: %w", each.name, err)
		}
	}
	if f.Say != nil {
		f.Say("reading %d documents of %d files", len(documents), len(files))
	}
	decoded, err := f.decode(ctx, documents)
	if err != nil {
		return nil, err
	}
	for _, d := range decoded {
		s.Objects = append(s.Objects, d.objects...)
		s.Problems = append(s.Problems, d.problems...)
		s.Notes = append(s.Notes, d.notes...)
		for _, kind := range d.ignored {
			s.ignore(kind)
		}
	}
	s.noteIgnored()
	s.noteDuplicates()
	if f.Kustomize != "" {
		return s, f.locate(ctx, s)
	}
	return s, nil
}

// decode decodes several documents in parallel.
func (f *Files) decode(ctx context.Context, documents []*document) ([]found, error) {
	decoded := make([]found, len(documents))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	const batch = 64
	for begin := 0; begin < len(documents); begin += batch {
		group.Go(func() error {
			for i := begin; i < min(begin+batch, len(documents)); i++ {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				var err error
				if decoded[i], err = decode(documents[i], cmp.Or(f.Namespace, "default"), f.Input); err != nil {
					return fmt.Errorf("%s: %w", documents[i].file, err)
				}
			}
			return nil
		})
	}
	return decoded, group.Wait()
}

func (f *Files) read(ctx context.Context) ([]file, error) {
	if f.Kustomize != "" {
		return build(ctx, f.Kustomize, f.Input)
	}
	var files []file
	for _, name := range f.Names {
		switch {
		case name == "-":
			data, err := f.Input.Standard(ctx)
			if err != nil && input.IsFatal(ctx, err) {
				return nil, fmt.Errorf("standard input: %w", err)
			}
			files = append(files, file{name: "standard input", data: data, err: err, lines: true})
		case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
			return nil, fmt.Errorf("-f %s: only files and directories are read; pipe it in and use -f -", name)
		default:
			found, err := f.readPath(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("-f %s: %w", name, err)
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// readPath reads a file, or the files of a directory whose names indicate that they may contain objects.
func (f *Files) readPath(ctx context.Context, name string) ([]file, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, input.Plain(err)
	}
	if !info.IsDir() {
		data, err := f.Input.File(ctx, name)
		if err != nil && input.IsFatal(ctx, err) {
			return nil, err
		}
		return []file{{name: name, data: data, err: err, lines: true}}, nil
	}
	var files []file
	deeper, err := f.Input.Walk(ctx, name, f.Recursive, holdsObjects, func(name string, data []byte, err error) {
		files = append(files, file{name: name, data: data, err: err, lines: true})
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		hint := "it has no .yaml, .yml or .json file"
		if deeper {
			hint += "; -R reads the directories in it"
		}
		return nil, errors.New(hint)
	}
	return files, nil
}

// holdsObjects reports whether the file may contain objects, judging by its name. It excludes kustomization files,
// which only kustomize reads and which contain no access objects.
func holdsObjects(path string) bool {
	if slices.Contains([]string{"kustomization.yaml", "kustomization.yml"}, filepath.Base(path)) {
		return false
	}
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path))
}

// split splits a file into its documents and appends them.
func (f *Files) split(documents []*document, from file) ([]*document, error) {
	first := func(n int) int {
		if !from.lines {
			return 0
		}
		return n
	}
	if trimmed := bytes.TrimSpace(from.data); len(trimmed) > 0 && trimmed[0] == '{' {
		cut, err := f.splitJSON(from, first)
		if err != nil || cut != nil {
			return append(documents, cut...), err
		}
	}
	begin, beginLine, number := 0, 1, 0
	for at := 0; at < len(from.data); {
		number++
		end := bytes.IndexByte(from.data[at:], '\n') + at + 1
		if end == at {
			end = len(from.data)
		}
		if isSeparator(from.data[at:end]) {
			if err := f.Input.CountObject(); err != nil {
				return nil, err
			}
			documents = append(documents, &document{file: from.name, first: first(beginLine), text: from.data[begin:at]})
			// Text after the marker on the same line is part of the document.
			begin, beginLine = at+len("---"), number
		}
		at = end
	}
	return append(documents, &document{file: from.name, first: first(beginLine), text: from.data[begin:]}), f.Input.CountObject()
}

func isSeparator(line []byte) bool {
	rest, is := bytes.CutPrefix(line, []byte("---"))
	return is && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// splitJSON splits a file that consists of JSON objects. It returns nil if the file is something else.
func (f *Files) splitJSON(from file, first func(int) int) ([]*document, error) {
	var documents []*document
	decoder := json.NewDecoder(bytes.NewReader(from.data))
	line, counted := 1, 0
	for {
		begin := int(decoder.InputOffset())
		var text json.RawMessage
		switch err := decoder.Decode(&text); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, nil //nolint:nilerr // it may be YAML; the YAML parser reports the error
		}
		if err := f.Input.CountObject(); err != nil {
			return nil, err
		}
		line += bytes.Count(from.data[counted:begin], []byte("\n"))
		counted = begin
		// White space before the object is part of the document, so that its line numbers stay correct.
		documents = append(documents, &document{file: from.name, first: first(line), text: from.data[begin:decoder.InputOffset()]})
	}
}
