package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Documents is what a directory holds, in the order of the file names.
type Documents struct {
	Applications  []Application
	Users         []User
	Organizations []Organizations
}

// Load reads every document, a file whose name ends in .json, of a mounted directory and of the directories in it.
//
// A directory that is missing or empty is no error: it holds no documents, and nobody has access. A file that is no
// document of this version is one that names file and cause; the documents of the other files are returned beside it.
func Load(dir string) (*Documents, error) {
	documents := &Documents{}
	var failures []error
	for _, pattern := range []string{"*.json", filepath.Join("*", "*.json")} {
		// The pattern is fixed: Glob has no other error than a bad one.
		paths, _ := filepath.Glob(filepath.Join(globEscape(dir), pattern))
		for _, path := range paths {
			if strings.HasPrefix(filepath.Base(filepath.Dir(path)), "..") && pattern != "*.json" {
				continue // the kubelet's own directories, which the visible names point into
			}
			if err := documents.load(path); err != nil {
				failures = append(failures, err)
			}
		}
	}
	return documents, errors.Join(failures...)
}

func (d *Documents) load(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone between listing and reading: an empty document
	}
	if err != nil {
		return err
	}
	if err := d.decode(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (d *Documents) decode(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the document is not valid UTF-8")
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	if head.APIVersion != APIVersion {
		return fmt.Errorf("apiVersion is %q, this reader knows %q", head.APIVersion, APIVersion)
	}
	switch head.Kind {
	case KindApplication:
		return appendDocument(data, &d.Applications)
	case KindUser:
		return appendDocument(data, &d.Users)
	case KindOrganizations:
		return appendDocument(data, &d.Organizations)
	default:
		return fmt.Errorf("kind is %q, this reader knows %s, %s and %s",
			head.Kind, KindApplication, KindUser, KindOrganizations)
	}
}

func appendDocument[T any](data []byte, to *[]T) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var document T
	if err := decoder.Decode(&document); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one document in one file")
	}
	*to = append(*to, document)
	return nil
}

// globEscape keeps characters that mean something to Glob literal in the directory's own name.
func globEscape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
