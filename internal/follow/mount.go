package follow

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

const (
	// dataLink is the symbolic link to the directory with the current files. Replacing it changes all files at once.
	dataLink = "..data"
	// newDataLink is the new link, which a rename turns into dataLink.
	newDataLink = "..data_tmp"
	// ownPrefix is the prefix of all names that only the writer uses. No key of a ConfigMap starts with it.
	ownPrefix = ".."

	directoryMode = 0o755
	fileMode      = 0o644
)

// mount is the directory of one ConfigMap. It has the layout that the kubelet gives a mounted ConfigMap: the files
// are in a directory of their own, ..data links to that directory, and each key is a link through ..data.
type mount struct{ root *os.Root }

// openMount opens the directory with the name. It creates the directory if it does not exist.
func openMount(parent *os.Root, name string) (*mount, error) {
	switch err := parent.Mkdir(name, directoryMode); {
	case err == nil:
		if err := parent.Chmod(name, directoryMode); err != nil { // regardless of the umask
			return nil, err
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &mount{root}, nil
}

func (m *mount) close() error { return m.root.Close() }

// write makes the directory contain exactly these files, and reports whether it swapped them. It does not swap the
// files if they are already correct. It returns an error for a file that it did not write, because the directory
// must not be shared.
func (m *mount) write(files map[string]string) (bool, error) {
	current, err := m.root.Readlink(dataLink)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	holds, err := m.holds(current, files)
	if err != nil {
		return false, err
	}
	if holds {
		return false, m.tidy(current, files)
	}
	fresh := ownPrefix + rand.Text()
	if err := m.fill(fresh, files); err != nil {
		return false, errors.Join(err, m.root.RemoveAll(fresh))
	}
	if err := m.swap(fresh); err != nil {
		return false, err // the next write removes the new directory
	}
	return true, m.tidy(fresh, files)
}

// holds reports whether the directory that ..data links to contains exactly these files.
func (m *mount) holds(current string, files map[string]string) (bool, error) {
	if current == "" {
		return false, nil
	}
	entries, err := fs.ReadDir(m.root.FS(), current)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || len(entries) != len(files) {
		return false, err
	}
	for _, entry := range entries {
		text, wanted := files[entry.Name()]
		if !wanted || !entry.Type().IsRegular() {
			return false, nil
		}
		if same, err := m.same(path.Join(current, entry.Name()), text); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// same reports whether the file contains the text. It reads the file in parts to limit memory.
func (m *mount) same(name, text string) (bool, error) {
	file, err := m.root.Open(name)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	part := make([]byte, 32<<10)
	for {
		n, err := file.Read(part)
		if n > len(text) || text[:n] != string(part[:n]) {
			return false, nil
		}
		text = text[n:]
		if errors.Is(err, io.EOF) {
			return text == "", nil
		}
		if err != nil {
			return false, err
		}
	}
}

// fill creates a directory with the files.
func (m *mount) fill(dir string, files map[string]string) error {
	if err := m.root.Mkdir(dir, directoryMode); err != nil {
		return err
	}
	if err := m.root.Chmod(dir, directoryMode); err != nil { // regardless of the umask
		return err
	}
	for name, text := range files {
		if err := m.create(path.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

func (m *mount) create(name, text string) error {
	file, err := m.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Chmod(fileMode), file.Close())
}

// swap replaces ..data with a link to the directory.
func (m *mount) swap(dir string) error {
	if err := m.root.RemoveAll(newDataLink); err != nil { // left by a writer that was killed
		return err
	}
	if err := m.root.Symlink(dir, newDataLink); err != nil {
		return err
	}
	return m.root.Rename(newDataLink, dataLink)
}

// tidy makes every key a link through ..data, and removes the remains of earlier writes.
func (m *mount) tidy(current string, files map[string]string) error {
	entries, err := fs.ReadDir(m.root.FS(), ".")
	if err != nil {
		return err
	}
	linked := map[string]bool{}
	var failures []error
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ownPrefix) {
			if name != dataLink && name != current {
				failures = append(failures, m.root.RemoveAll(name))
			}
			continue
		}
		target, err := m.root.Readlink(name)
		switch _, wanted := files[name]; {
		case err != nil || target != path.Join(dataLink, name):
			linked[name] = true
			failures = append(failures, fmt.Errorf("%s: something else has written it: remove it, or use another directory",
				path.Join(m.root.Name(), name)))
		case wanted:
			linked[name] = true
		default:
			failures = append(failures, m.root.Remove(name))
		}
	}
	for name := range files {
		if !linked[name] {
			failures = append(failures, m.root.Symlink(path.Join(dataLink, name), name))
		}
	}
	return errors.Join(failures...)
}
