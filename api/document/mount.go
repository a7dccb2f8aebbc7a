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
	// dataLink is the symbolic link that the kubelet swaps to change all files of a mount at once.
	dataLink = "..data"
	// opaKey is the copy of a document for OPA, which stands beside it in a ConfigMap.
	opaKey = "data.json"
	// readAttempts is how often a mount that is swapped while it is read is read again.
	readAttempts = 8
)

// mount is what mounted directories hold.
type mount struct {
	// files are the documents by path, sorted within each directory.
	files []mountedFile
	// failures are the directories that could not be read.
	failures []mountFailure
	// links is where the data link of each directory pointed; empty where there is none.
	links map[string]string
	// swapped: every file is behind a data link, so that nothing changes unless a link does.
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

// readMount reads the directories and those in them. Of a mount of the kubelet it reads what belongs together: never
// one file from before a swap and another from after it, and no file as missing because it went with the old ones.
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
	m.failures = append(m.failures, mountFailure{dir, fmt.Errorf("%s: it changes faster than it can be read", dir)})
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
			continue // the kubelet's own, and what is being written
		}
		info, err := os.Stat(filepath.Join(root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err == nil && info.IsDir():
			switch {
			case nested && link == "":
				m.read(filepath.Join(dir, name), false) // may be a mount itself
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

// within reads the files of a directory that is swapped together with the one that it is in.
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

// readDocument reads a file up to a byte past the size that a document can have.
func readDocument(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the others
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	return io.ReadAll(io.LimitReader(file, MaximumBytes+1))
}

// cause is the error without the operation and the path, which is not the one that the caller knows.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// readLink gives the target of a directory's data link, empty where there is none.
func readLink(dir string) (string, error) {
	target, err := os.Readlink(filepath.Join(dir, dataLink))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EINVAL):
		return "", nil // EINVAL: something by that name that is no link
	case err != nil:
		return "", err
	}
	return target, nil
}

// unchanged says that no link of the directories was swapped since they were read, and that nothing else could change.
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

// directories lists the directories in which a change shows.
func (m *mount) directories() []string {
	dirs := make([]string, 0, len(m.links))
	for dir := range m.links {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}
