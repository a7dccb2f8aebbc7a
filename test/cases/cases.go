// Package cases holds the resolution cases, and reads them for tests that stand them up in a cluster: objects in NAME.yaml,
// whose second line gives the instant, and the decisions that they must give in NAME.expect.json.
package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// Namespaces are those that the objects of the cases are in, the system namespace first.
func Namespaces() []string { return []string{"access-system", "acme", "globex", "initech"} }

// atLeast is how many cases there are known to be.
const atLeast = 42

// Case is a case, moved to the present.
type Case struct {
	// Name is that of the file.
	Name string
	// Objects are in the order of the file. One with a deletion timestamp is to be deleted when it is there.
	Objects []*unstructured.Unstructured
	// Namespaces are the Namespace objects of the file: they say which labels namespaces have.
	Namespaces []*unstructured.Unstructured
	// Want is the text of the decisions.
	Want []byte
}

// Paths returns the files of all cases in the directory.
func Paths(directory string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err == nil && len(paths) < atLeast {
		err = fmt.Errorf("found %d cases in %s", len(paths), directory)
	}
	return paths, err
}

var (
	instant    = regexp.MustCompile(`(?m)^# now: (\S+)$`)
	anyInstant = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
)

// Load reads a case. It moves every instant by what has passed from that of the case to now, in the objects and in what
// they must give.
func Load(path string, now time.Time) (*Case, error) {
	objects, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(path, ".yaml")
	want, err := os.ReadFile(name + ".expect.json")
	if err != nil {
		return nil, err
	}
	match := instant.FindSubmatch(objects)
	if match == nil {
		return nil, fmt.Errorf("%s does not say which instant it is about", path)
	}
	then, err := time.Parse(time.RFC3339, string(match[1]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	passed := now.UTC().Truncate(time.Second).Sub(then)
	c := &Case{Name: filepath.Base(name), Want: moved(want, passed)}
	all, err := parse(moved(objects, passed))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, o := range all {
		if o.GetKind() == "Namespace" {
			c.Namespaces = append(c.Namespaces, o)
		} else {
			c.Objects = append(c.Objects, o)
		}
	}
	return c, nil
}

func moved(text []byte, by time.Duration) []byte {
	return anyInstant.ReplaceAllFunc(text, func(found []byte) []byte {
		t, err := time.Parse(time.RFC3339, string(found))
		if err != nil {
			return found // the objects or the decisions say what is wrong with it
		}
		return []byte(t.Add(by).Format(time.RFC3339))
	})
}

func parse(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if u.GetKind() != "" {
			objects = append(objects, u)
		}
	}
}
