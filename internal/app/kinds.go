package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/config/crd"
)

const (
	// An API server publishes the schema of a kind about a second after it serves the kind. The caches wait just as
	// long for a kind.
	describedWithin  = 2 * time.Minute
	describedAgainIn = 200 * time.Millisecond
)

// checkKinds returns an error if the API server has a later version of the kinds than this manager. The manager would
// ignore new fields and values, for example one that denies access.
func checkKinds(ctx context.Context, config *rest.Config) error {
	known, err := knownKinds()
	if err != nil {
		return err
	}
	served, err := servedKinds(ctx, config)
	if err != nil {
		return fmt.Errorf("reading the schemas of the kinds from the API server: %w", err)
	}
	return newerKinds(known, served)
}

// schema is the part of a field's schema that is compared.
type schema struct {
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Enum                 []any              `json:"enum"`
}

// UnmarshalJSON decodes a schema. It decodes a boolean, as in additionalProperties, as an empty schema.
func (s *schema) UnmarshalJSON(text []byte) error {
	type plain schema
	if string(text) == "true" || string(text) == "false" {
		return nil
	}
	return json.Unmarshal(text, (*plain)(s))
}

// newerKinds returns an error that names the served fields and values that are not known.
func newerKinds(known, served map[string]*schema) error {
	var newer []string
	for kind, has := range served {
		if knows := known[kind]; knows != nil {
			newer = append(newer, knows.lacks(has, kind+".spec")...)
		}
	}
	if len(newer) == 0 {
		return nil
	}
	slices.Sort(newer)
	return fmt.Errorf("the kinds on the API server are from a later version of Usher. This version does not know %s. "+
		"Run the later version, or apply the CustomResourceDefinitions of this version, which removes these fields from every object",
		strings.Join(newer, ", "))
}

// lacks returns the paths of fields and the enum values that the other schema has and s does not have.
func (s *schema) lacks(other *schema, at string) []string {
	var found []string
	for name, has := range other.Properties {
		if knows := s.Properties[name]; knows == nil {
			found = append(found, at+"."+name)
		} else {
			found = append(found, knows.lacks(has, at+"."+name)...)
		}
	}
	if s.Items != nil && other.Items != nil {
		found = append(found, s.Items.lacks(other.Items, at+"[]")...)
	}
	if s.AdditionalProperties != nil && other.AdditionalProperties != nil {
		found = append(found, s.AdditionalProperties.lacks(other.AdditionalProperties, at+"{}")...)
	}
	for _, value := range other.Enum {
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
			found = append(found, fmt.Sprintf("%s=%v", at, value))
		}
	}
	return found
}

// knownKinds returns the spec schemas of the kinds that this manager was built with.
func knownKinds() (map[string]*schema, error) {
	paths, err := fs.Glob(crd.Definitions, "bases/*.yaml")
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("finding the kinds that this manager knows: %w", errors.Join(err, errors.New("there are none")))
	}
	known := map[string]*schema{}
	for _, name := range paths {
		text, err := crd.Definitions.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path.Base(name), err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path.Base(name), err)
		}
		for _, version := range definition.Spec.Versions {
			if version.Name != accessv1alpha1.GroupVersion.Version {
				continue
			}
			text, err := json.Marshal(version.Schema.OpenAPIV3Schema)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", path.Base(name), err)
			}
			if known[definition.Spec.Names.Kind], err = specOf(text); err != nil {
				return nil, fmt.Errorf("reading %s: %w", path.Base(name), err)
			}
		}
	}
	return known, nil
}

// specOf returns the schema of the spec from that of a kind. Only Usher writes the status, so it is not compared.
func specOf(text []byte) (*schema, error) {
	var whole schema
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	spec := whole.Properties["spec"]
	if spec == nil {
		return nil, errors.New("it has no spec")
	}
	return spec, nil
}

// servedKinds returns the spec schemas of the kinds on the API server. Every authenticated client may read them.
func servedKinds(ctx context.Context, config *rest.Config) (map[string]*schema, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	group := "apis/" + accessv1alpha1.GroupVersion.String()
	var text []byte
	var failed error
	err = wait.PollUntilContextTimeout(ctx, describedAgainIn, describedWithin, true, func(context.Context) (bool, error) {
		text, failed = described(client, group)
		return failed == nil, nil
	})
	if err != nil {
		return nil, errors.Join(err, failed)
	}
	return describedKinds(text)
}

func described(client *discovery.DiscoveryClient, group string) ([]byte, error) {
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return nil, err
	}
	if paths[group] == nil {
		return nil, fmt.Errorf("it has no %s: apply config/crd", group)
	}
	return paths[group].Schema("application/json")
}

func describedKinds(text []byte) (map[string]*schema, error) {
	var description struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &description); err != nil {
		return nil, err
	}
	kinds := map[string]*schema{}
	for name, text := range description.Components.Schemas {
		kind := name[strings.LastIndex(name, ".")+1:]
		if !strings.HasPrefix(name, "dev.usher.access.") || strings.HasSuffix(kind, "List") {
			continue
		}
		var err error
		if kinds[kind], err = specOf(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return kinds, nil
}
