package objects

import (
	"fmt"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// build builds a kustomization, as "kubectl kustomize" does.
func build(dir string) ([]file, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
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

// locate looks for the files that objects of a kustomization were written in: those under the directory in which one
// object has the kind and the name. What kustomize renamed, or fetched from elsewhere, stays where it is.
func (s *Set) locate(dir string) {
	files := &Files{Names: []string{dir}, Recursive: true}
	written, err := files.read()
	if err != nil {
		return
	}
	type place struct {
		object Object
		more   bool
	}
	places := map[string]*place{}
	wrong := map[string]Origin{}
	for _, each := range written {
		if each.err != nil {
			continue
		}
		for _, d := range split(each) {
			decoded := decode(d, "")
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
}
