package document

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	// dataLink is the symbolic link that the kubelet swaps to replace all files of a mount at once.
	dataLink = "..data"
	// opaKey is the copy of a document for OPA in the same ConfigMap.
	opaKey = "data.json"
	// readAttempts is the number of times that a mount is read if it is swapped during the read.
	readAttempts = 8
)

// mount is the content of mounted directories.
type mount struct {
	// files are the documents by path, sorted within each directory.
	files []mountedFile
	// failures are the directories that could not be read.
	failures []mountFailure
	// links maps each directory to the target of its data link, or to "" if it has none.
	links map[string]string
	// swapped is true if every file is behind a data link, so that nothing can change without a swap.
	swapped bool
}

type mountedFile struct {
	path string
	data []byte
	err  error
}

type mountFailure struct {
	dir string
	err error
}

// readMount reads the directories and their subdirectories. It reads a kubelet mount consistently: never one file from
// before a swap and another from after it, and never a file as missing because a swap removed it.
func readMount(dirs []string) *mount {
	m := &mount{links: map[string]string{}, swapped: true}
	for _, dir := range dirs {
		m.read(dir, true)
	}
	return m
}

func (m *mount) read(dir string, nested bool) {
	for range readAttempts {
		before, err := readLink(dir)
		if err != nil {
			m.failures = append(m.failures, mountFailure{dir, err})
			return
		}
		attempt := &mount{links: map[string]string{}, swapped: true}
		err = attempt.list(dir, before, nested)
		if after, linkErr := readLink(dir); linkErr != nil || after != before {
			continue
		}
		if err != nil {
			m.failures = append(m.failures, mountFailure{dir, err})
			return
		}
		m.links[dir] = before
		for dir, link := range attempt.links {
			m.links[dir] = link
		}
		m.files = append(m.files, attempt.files...)
		m.failures = append(m.failures, attempt.failures...)
		m.swapped = m.swapped && attempt.swapped
		return
	}
	m.failures = append(m.failures, mountFailure{dir, fmt.Errorf("%s: the directory changes faster than it can be read", dir)})
}

// list reads the files of a directory, through its data link if it has one.
func (m *mount) list(dir, link string, nested bool) error {
	root := dir
	if link != "" {
		if root = link; !filepath.IsAbs(link) {
			root = filepath.Join(dir, link)
		}
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an empty document: nobody has access
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue // files of the kubelet, and files that are being written
		}
		info, err := os.Stat(filepath.Join(root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err == nil && info.IsDir():
			switch {
			case nested && link == "":
				m.read(filepath.Join(dir, name), false) // may itself be a mount
			case nested:
				if err := m.within(filepath.Join(dir, name), filepath.Join(root, name)); err != nil {
					return err
				}
			}
		case strings.HasSuffix(name, ".json") && name != opaKey:
			m.swapped = m.swapped && link != ""
			m.file(filepath.Join(dir, name), filepath.Join(root, name))
		}
	}
	return nil
}

// within reads the files of a directory that is swapped together with its parent.
func (m *mount) within(dir, root string) error {
	entries, err := os.ReadDir(root)
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".json") && name != opaKey && !strings.HasPrefix(name, ".") {
			m.file(filepath.Join(dir, name), filepath.Join(root, name))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (m *mount) file(path, from string) {
	data, err := readDocument(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		m.files = append(m.files, mountedFile{path: path, err: &Error{Path: path, Reason: cause(err)}})
	default:
		m.files = append(m.files, mountedFile{path: path, data: data})
	}
}

// readDocument reads a file up to one byte more than the maximum size of a document.
func readDocument(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe must not block
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return io.ReadAll(io.LimitReader(file, MaximumBytes+1))
}

// cause returns the error without operation and path, because the caller knows the file by another path.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// readLink returns the target of a directory's data link, or "" if there is none.
func readLink(dir string) (string, error) {
	target, err := os.Readlink(filepath.Join(dir, dataLink))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EINVAL):
		return "", nil // EINVAL: a file of that name that is not a link
	case err != nil:
		return "", err
	}
	return target, nil
}

// unchanged reports whether no link has been swapped since the read and nothing else could have changed.
func (m *mount) unchanged() bool {
	if !m.swapped || len(m.failures) > 0 {
		return false
	}
	for dir, link := range m.links {
		if now, err := readLink(dir); err != nil || now != link || link == "" {
			return false
		}
	}
	return true
}

// directories lists the directories to watch for changes.
func (m *mount) directories() []string {
	dirs := make([]string, 0, len(m.links))
	for dir := range m.links {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}
