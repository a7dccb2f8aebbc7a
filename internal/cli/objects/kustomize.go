package objects

import (
	"context"
	"fmt"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/usher-dev/usher/internal/cli/input"
)

// build builds a kustomization, as "kubectl kustomize" does. Kustomize takes no context, so a build that is still
// running when the context ends is abandoned.
func build(ctx context.Context, dir string, in *input.Reader) ([]file, error) {
	type result struct {
		files []file
		err   error
	}
	done := make(chan result, 1)
	go func() {
		files, err := kustomize(ctx, dir, in)
		done <- result{files, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("-k %s: %w", dir, context.Cause(ctx))
	case got := <-done:
		return got.files, got.err
	}
}

func kustomize(ctx context.Context, dir string, in *input.Reader) ([]file, error) {
	disk := &boundedDisk{FileSystem: filesys.MakeFsOnDisk(), ctx: ctx, in: in}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, dir)
	if err != nil {
		return nil, fmt.Errorf("-k %s: %w", dir, err)
	}
	var files []file
	for _, resource := range built.Resources() {
		data, err := resource.AsYAML()
		files = append(files, file{
			name: fmt.Sprintf("%s (%s %s)", dir, resource.GetKind(), resource.GetName()), data: data, err: err,
		})
	}
	return files, nil
}

// boundedDisk is the file system that kustomize reads. It reads regular files only, enforces the limit of the
// input, and refuses documents whose aliases expand too far. Kustomize itself decides which files outside a
// kustomization may be read.
type boundedDisk struct {
	filesys.FileSystem

	ctx context.Context //nolint:containedctx // kustomize does not pass a context
	in  *input.Reader
}

// ReadFile reads a regular file.
func (b *boundedDisk) ReadFile(path string) ([]byte, error) {
	data, err := b.in.File(b.ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	documents, err := (&Files{Input: b.in}).split(nil, file{name: path, data: data, lines: true})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range documents {
		if err := d.checkNodes(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		repeated, err := d.repeatedByAliases()
		if d.err != nil {
			continue // kustomize reports that the file is not YAML
		}
		if err == nil {
			err = b.in.CountRepeated(repeated)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return data, nil
}

// locate finds the source files of the objects of a kustomization: a file under the directory in which exactly one
// object has the kind and the name. It does not change the origin of objects that kustomize renamed or fetched from
// elsewhere.
func (f *Files) locate(ctx context.Context, s *Set) error {
	dir := f.Kustomize
	files := &Files{Names: []string{dir}, Recursive: true, Input: f.Input.Renewed()}
	written, err := files.read(ctx)
	if err != nil {
		return noLocation(ctx)
	}
	places := map[string]*place{}
	wrong := map[string]Origin{}
	for _, each := range written {
		if each.err != nil {
			continue
		}
		if err := files.place(ctx, each, places, wrong); err != nil {
			return noLocation(ctx)
		}
	}
	for i := range s.Objects {
		o := &s.Objects[i]
		if found := places[kindOf(o.Object)+"/"+o.GetName()]; found != nil && !found.more {
			o.Origin, o.text, o.path = found.object.Origin, found.object.text, found.object.path
		} else {
			o.Origin = Origin{File: dir}
		}
	}
	for i := range s.Problems {
		if origin, found := wrong[s.Problems[i].Err.Error()]; found {
			s.Problems[i].Origin = origin
		}
	}
	return nil
}

// place is the position of the object with a name. more reports that there are several.
type place struct {
	object Object
	more   bool
}

// place records the positions of the objects in the file, and the errors in it.
func (f *Files) place(ctx context.Context, from file, places map[string]*place, wrong map[string]Origin) error {
	documents, err := f.split(nil, from)
	if err != nil {
		return err
	}
	for _, d := range documents {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		decoded, err := decode(d, "", f.Input)
		if err != nil {
			return err
		}
		for _, p := range decoded.problems {
			wrong[p.Err.Error()] = p.Origin
		}
		for _, o := range decoded.objects {
			key := kindOf(o.Object) + "/" + o.GetName()
			if places[key] == nil {
				places[key] = &place{object: o}
			} else {
				places[key].more = true
			}
		}
	}
	return nil
}

// noLocation returns the error of the context. Without one, the objects keep the position in the output of
// kustomize, which is less precise but correct.
func noLocation(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
