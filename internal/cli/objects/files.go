package objects

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Files says which files to read.
type Files struct {
	// Names are files, directories, or - for In.
	Names []string
	// Recursive: directories with all that is under them.
	Recursive bool
	// Kustomize is a directory with a kustomization, in place of Names.
	Kustomize string
	// Namespace is that of objects that name none.
	Namespace string

	In io.Reader
	// Say is told what is being done; it may be nil.
	Say func(format string, args ...any)
}

// file is a file that was read, or one that could not be.
type file struct {
	name string
	data []byte
	err  error
	// lines says whether lines of data are lines of a file.
	lines bool
}

// Read reads what the files hold. An error means that there is nothing to answer from; what is wrong with one file
// among others is a problem of the set.
func (f *Files) Read(ctx context.Context) (*Set, error) {
	files, err := f.read()
	if err != nil {
		return nil, err
	}
	s := &Set{}
	var documents []*document
	for _, each := range files {
		switch {
		case each.err != nil:
			s.Problems = append(s.Problems, Problem{Origin{File: each.name}, each.err})
		default:
			documents = append(documents, split(each)...)
		}
	}
	if f.Say != nil {
		f.Say("reading %d documents of %d files", len(documents), len(files))
	}
	decoded := make([]found, len(documents))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	const batch = 64
	for begin := 0; begin < len(documents); begin += batch {
		group.Go(func() error {
			for i := begin; i < min(begin+batch, len(documents)); i++ {
				decoded[i] = decode(documents[i], cmp.Or(f.Namespace, "default"))
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
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
		s.locate(f.Kustomize)
	}
	return s, nil
}

func (f *Files) read() ([]file, error) {
	if f.Kustomize != "" {
		return build(f.Kustomize)
	}
	var files []file
	for _, name := range f.Names {
		switch {
		case name == "-":
			data, err := io.ReadAll(f.In)
			files = append(files, file{name: "standard input", data: data, err: err, lines: true})
		case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
			return nil, fmt.Errorf("-f %s: only files and directories are read; pipe it in and use -f -", name)
		default:
			found, err := f.readPath(name)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
	}
	return files, nil
}

// readPath reads a file, or those of a directory whose names say that they may hold objects.
func (f *Files) readPath(name string) ([]file, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("-f %s: %w", name, plain(err))
	}
	if !info.IsDir() {
		data, err := os.ReadFile(name)
		return []file{{name: name, data: data, err: plain(err), lines: true}}, nil
	}
	var files []file
	deeper := false
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			files = append(files, file{name: path, err: plain(err)})
			return nil
		case entry.IsDir() && path != name && !f.Recursive:
			deeper = true
			return fs.SkipDir
		case entry.IsDir() || !holdsObjects(path):
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, file{name: path, data: data, err: plain(err), lines: true})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("-f %s: %w", name, err)
	}
	if len(files) == 0 {
		hint := "it has no .yaml, .yml or .json file"
		if deeper {
			hint += "; -R reads the directories in it"
		}
		return nil, fmt.Errorf("-f %s: %s", name, hint)
	}
	return files, nil
}

// holdsObjects goes by the name. A kustomization is for kustomize, and says nothing of access itself.
func holdsObjects(path string) bool {
	if slices.Contains([]string{"kustomization.yaml", "kustomization.yml"}, filepath.Base(path)) {
		return false
	}
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path))
}

// plain takes the path out of an error that is shown after it.
func plain(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// split cuts a file into its documents.
func split(f file) []*document {
	first := func(n int) int {
		if !f.lines {
			return 0
		}
		return n
	}
	if trimmed := bytes.TrimSpace(f.data); len(trimmed) > 0 && trimmed[0] == '{' {
		if documents := splitJSON(f, first); documents != nil {
			return documents
		}
	}
	var documents []*document
	begin, beginLine, number := 0, 1, 0
	for at := 0; at < len(f.data); {
		number++
		end := bytes.IndexByte(f.data[at:], '\n') + at + 1
		if end == at {
			end = len(f.data)
		}
		if isSeparator(f.data[at:end]) {
			documents = append(documents, &document{file: f.name, first: first(beginLine), text: f.data[begin:at]})
			// What follows the marker on its line is part of the document.
			begin, beginLine = at+len("---"), number
		}
		at = end
	}
	return append(documents, &document{file: f.name, first: first(beginLine), text: f.data[begin:]})
}

func isSeparator(line []byte) bool {
	rest, is := bytes.CutPrefix(line, []byte("---"))
	return is && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// splitJSON cuts a file of one JSON object after another; nil where it is none.
func splitJSON(f file, first func(int) int) []*document {
	var documents []*document
	decoder := json.NewDecoder(bytes.NewReader(f.data))
	for {
		begin := int(decoder.InputOffset())
		var text json.RawMessage
		switch err := decoder.Decode(&text); {
		case errors.Is(err, io.EOF):
			return documents
		case err != nil:
			return nil
		}
		// White space before the object counts as part of it, so that its lines stay right.
		documents = append(documents, &document{
			file: f.name, first: first(1 + bytes.Count(f.data[:begin], []byte("\n"))), text: f.data[begin:decoder.InputOffset()],
		})
	}
}
