package document

import (
	"errors"
)

// Documents is the content of a directory, in the order of the file names.
type Documents struct {
	Applications  []Application
	Users         []User
	Organizations []Organizations
}

// Load reads every document of a mounted directory and of its subdirectories once. [FollowApplication] and [FollowUser]
// keep reading.
//
// Documents are files whose name ends in .json, except for names that begin with a dot and for data.json, which is the
// copy for OPA. A missing or empty directory is not an error: it contains no documents, and nobody has access. A file
// that is not a document of this version causes an error of type [*Error]; the documents of the other files are
// returned together with it.
//
// Load returns documents as published. The caller must check whether the time in notAfter has passed.
func Load(dir string) (*Documents, error) {
	mount := readMount([]string{dir})
	documents := &Documents{}
	var failures []error
	for _, failure := range mount.failures {
		failures = append(failures, failure.err)
	}
	for i := range mount.files {
		one, err := mount.files[i].parse()
		if err != nil {
			failures = append(failures, err)
			continue
		}
		documents.Applications = append(documents.Applications, one.Applications...)
		documents.Users = append(documents.Users, one.Users...)
		documents.Organizations = append(documents.Organizations, one.Organizations...)
	}
	return documents, errors.Join(failures...)
}

// parse parses the document in a file. Its errors name the file.
func (f *mountedFile) parse() (*Documents, error) {
	if f.err != nil {
		return nil, f.err
	}
	documents, err := Parse(f.data)
	return documents, at(f.path, err)
}

// at adds the file to an error of Parse.
func at(path string, err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // made by the parser and never wrapped
		e.Path = path
	}
	return err
}

// kind returns the kind of the only document.
func (d *Documents) kind() string {
	switch {
	case len(d.Applications) > 0:
		return KindApplication
	case len(d.Users) > 0:
		return KindUser
	default:
		return KindOrganizations
	}
}
