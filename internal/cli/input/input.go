// Package input reads the input of the plugin: files, directories and standard input. It does not trust any of
// them. It reads only regular files, limits the number of bytes, reads nothing outside a named directory, and stops
// when the context ends. It does not depend on any concept of access and imports no package of Usher.
package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// DefaultMaxBytes is the default limit of the bytes that one command reads.
	DefaultMaxBytes = 64 << 20
	// MaxObjects is the maximum number of documents and list items that one command reads. The smallest items have a
	// few bytes, so the limit on bytes alone would allow millions of them.
	MaxObjects = 250_000
)

// Reader reads files and standard input within one limit. Only one goroutine may use it. CountObject and
// CountRepeated are safe for concurrent use.
type Reader struct {
	in             io.Reader
	limit          int64
	bytes, objects atomic.Int64
}

// NewReader returns a Reader that reads at most limit bytes in total, including standard input (in).
func NewReader(in io.Reader, limit int64) *Reader { return &Reader{in: in, limit: limit} }

// Renewed returns a Reader with the same limit that has not read anything.
func (r *Reader) Renewed() *Reader { return NewReader(r.in, r.limit) }

// LimitError reports that the input exceeds a limit of the plugin. No answer is possible from a part of the input.
type LimitError struct{ text string }

// Error returns the message, which includes the remedy.
func (e *LimitError) Error() string { return e.text }

func (r *Reader) tooLarge() error {
	return &LimitError{fmt.Sprintf("the input has more than %s bytes together, including what YAML aliases repeat; "+
		"read fewer files, or raise --max-bytes", resource.NewQuantity(r.limit, resource.BinarySI))}
}

// CountRepeated counts bytes that YAML aliases repeat against the limit, as if they had been read.
func (r *Reader) CountRepeated(count int64) error {
	if r.bytes.Add(count) > r.limit {
		return r.tooLarge()
	}
	return nil
}

// CountObject counts one document or list item against the limit.
func (r *Reader) CountObject() error {
	if r.objects.Add(1) > MaxObjects {
		return &LimitError{fmt.Sprintf("the input has more than %d documents and list items; read fewer files", MaxObjects)}
	}
	return nil
}

// IsFatal reports whether no more files can be read after the error, because the limit is reached or the context
// has ended.
func IsFatal(ctx context.Context, err error) bool {
	var limit *LimitError
	return errors.As(err, &limit) || ctx.Err() != nil
}

// Standard reads standard input to its end.
func (r *Reader) Standard(ctx context.Context) ([]byte, error) {
	return r.read(ctx, func() (io.ReadCloser, error) { return io.NopCloser(r.in), nil })
}

// File reads the regular file with the name. The name may be that of a symbolic link.
func (r *Reader) File(ctx context.Context, name string) ([]byte, error) {
	return r.read(ctx, func() (io.ReadCloser, error) { return openRegular(name, os.Stat, os.OpenFile) })
}

// Walk reads the wanted files of the directory in the order of their names. If recursive, it includes
// subdirectories. It follows symbolic links only inside the directory. It calls each with the content or the error
// of every file. Walk reports whether it skipped directories. It returns an error only if no more files can be
// read.
func (r *Reader) Walk(
	ctx context.Context, directory string, recursive bool, wanted func(name string) bool, each func(name string, data []byte, err error),
) (leftOut bool, err error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return false, Plain(err)
	}
	defer func() { _ = root.Close() }() // it was only read
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		name := filepath.Join(directory, filepath.FromSlash(path))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			each(name, nil, Plain(err))
			return nil
		case entry.IsDir() && path != "." && !recursive:
			leftOut = true
			return fs.SkipDir
		case entry.IsDir() || !wanted(path):
			return nil
		}
		data, err := r.read(ctx, func() (io.ReadCloser, error) {
			return openRegular(filepath.FromSlash(path), root.Stat, root.OpenFile)
		})
		if err != nil && IsFatal(ctx, err) {
			return err
		}
		if err != nil && entry.Type()&fs.ModeSymlink != 0 {
			err = fmt.Errorf("a symbolic link is followed only by a relative path to a file under %s: %w", directory, err)
		}
		each(name, data, err)
		return nil
	})
	return leftOut, err
}

// openRegular opens a regular file. Opening a device can have effects, and opening a named pipe waits for its other
// end. openRegular therefore checks the type first, and opens the file in a mode that does not block if it was
// replaced in the meantime.
func openRegular(
	name string, stat func(string) (fs.FileInfo, error), open func(string, int, fs.FileMode) (*os.File, error),
) (io.ReadCloser, error) {
	info, err := stat(name)
	if err != nil {
		return nil, Plain(err)
	}
	if err := checkRegular(info.Mode()); err != nil {
		return nil, err
	}
	f, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Plain(err)
	}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(info.Mode())
	}
	if err != nil {
		return nil, errors.Join(Plain(err), f.Close())
	}
	return f, nil
}

func checkRegular(mode fs.FileMode) error {
	var kind string
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("it is a directory, not a file")
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	default:
		kind = "a special file"
	}
	return fmt.Errorf("it is %s, and only regular files are read; pipe its content in and name the file -", kind)
}

// read reads within the limit. When the context ends, it abandons a read that does not return, such as one from a
// terminal, because the program is about to exit.
func (r *Reader) read(ctx context.Context, open func() (io.ReadCloser, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	left := max(r.limit-r.bytes.Load(), 0)
	go func() {
		from, err := open()
		if err != nil {
			done <- result{err: err}
			return
		}
		data, err := io.ReadAll(io.LimitReader(from, left+1))
		done <- result{data, Plain(errors.Join(err, from.Close()))}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case got := <-done:
		if r.bytes.Add(int64(len(got.data))) > r.limit {
			return nil, r.tooLarge()
		}
		return got.data, got.err
	}
}

// Plain returns the error without the path, for messages that contain the path themselves.
func Plain(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
