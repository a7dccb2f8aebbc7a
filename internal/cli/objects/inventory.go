package objects

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Keeper is the object by which a GitOps tool manages a tree of manifests: a Kustomization or an Application.
type Keeper struct{ Kind, Namespace, Name string }

// The kinds of keepers.
const (
	kindKustomization = "Kustomization"
	kindApplication   = "Application"
)

func (k Keeper) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// The labels and annotations by which the tools mark objects.
const (
	fluxName      = "kustomize.toolkit.fluxcd.io/name"
	fluxNamespace = "kustomize.toolkit.fluxcd.io/namespace"
	argoTracking  = "argocd.argoproj.io/tracking-id"
)

var (
	kustomizations = schema.GroupVersion{Group: "kustomize.toolkit.fluxcd.io", Version: "v1"}
	applications   = schema.GroupVersion{Group: "argoproj.io", Version: "v1alpha1"}
)

// KeeperOf returns the Kustomization or Application whose marks the object carries. Argo CD marks objects with
// NAMESPACE_NAME if the Application is in a namespace other than its own. Without a namespace in the mark, the
// namespace of the Application is unknown.
func KeeperOf(o client.Object) (Keeper, bool) {
	labels := o.GetLabels()
	if labels[fluxName] != "" && labels[fluxNamespace] != "" {
		return Keeper{kindKustomization, labels[fluxNamespace], labels[fluxName]}, true
	}
	name, id, ok := strings.Cut(o.GetAnnotations()[argoTracking], ":")
	if !ok || name == "" || id != trackingID(o) { // the mark was copied from another object
		return Keeper{}, false
	}
	namespace, rest, of := strings.Cut(name, "_")
	if !of {
		namespace, rest = "", name
	}
	return Keeper{kindApplication, namespace, rest}, true
}

func trackingID(o client.Object) string {
	return fmt.Sprintf("%s/%s:%s/%s", accessv1alpha1.GroupVersion.Group, kindOf(o), o.GetNamespace(), o.GetName())
}

// Inventories reads the inventories of keepers. It reads each inventory once.
type Inventories struct {
	flux, argo *rest.RESTClient
	known      map[Keeper]inventory
	// applications are the Applications of the cluster by name; nil until they are read.
	applications map[string][]application
	unread       error
}

// inventory is the list of objects of a keeper, or the reason why it is unknown.
type inventory struct {
	ids    map[string]bool
	exists bool
	err    error
}

type application struct {
	Metadata struct{ Namespace, Name string } `json:"metadata"`
	Status   struct {
		Resources []struct{ Group, Kind, Namespace, Name string } `json:"resources"`
	} `json:"status"`
}

// NewInventories returns the inventories of the cluster.
func NewInventories(config *rest.Config) (*Inventories, error) {
	flux, err := restClient(config, kustomizations, "/apis")
	if err != nil {
		return nil, err
	}
	argo, err := restClient(config, applications, "/apis")
	if err != nil {
		return nil, err
	}
	return &Inventories{flux: flux, argo: argo, known: map[Keeper]inventory{}}, nil
}

// Has reports whether the object is in the inventory of the keeper. exists is false if the keeper does not exist. The
// error explains why the result cannot be known, for example because the caller may not read the keeper.
func (i *Inventories) Has(ctx context.Context, k Keeper, o client.Object) (has, exists bool, err error) {
	found, known := i.known[k]
	if !known {
		if k.Kind == kindApplication {
			found = i.readApplication(ctx, k)
		} else {
			found = i.readKustomization(ctx, k)
		}
		i.known[k] = found
	}
	return found.ids[inventoryID(o.GetNamespace(), o.GetName(), accessv1alpha1.GroupVersion.Group, kindOf(o))], found.exists, found.err
}

// inventoryID returns the form in which Flux identifies an object in an inventory.
func inventoryID(namespace, name, group, kind string) string {
	return strings.Join([]string{namespace, name, group, kind}, "_")
}

func (i *Inventories) readKustomization(ctx context.Context, k Keeper) inventory {
	text, err := i.flux.Get().Namespace(k.Namespace).Resource("kustomizations").Name(k.Name).Do(ctx).Raw()
	switch {
	case apierrors.IsNotFound(err):
		return inventory{}
	case err != nil:
		return inventory{err: notRead(err, k.String(), "get", "kustomizations."+kustomizations.Group, "in namespace "+k.Namespace)}
	}
	var kustomization struct {
		Status struct {
			Inventory struct {
				Entries []struct {
					ID string `json:"id"`
				} `json:"entries"`
			} `json:"inventory"`
		} `json:"status"`
	}
	if err := json.Unmarshal(text, &kustomization); err != nil {
		return inventory{err: fmt.Errorf("read %s: %w", k, err)}
	}
	found := inventory{ids: map[string]bool{}, exists: true}
	for _, entry := range kustomization.Status.Inventory.Entries {
		found.ids[entry.ID] = true
	}
	return found
}

// readApplication lists the Applications of the cluster, because most marks do not contain the namespace.
func (i *Inventories) readApplication(ctx context.Context, k Keeper) inventory {
	if i.applications == nil && i.unread == nil {
		i.unread = i.listApplications(ctx)
	}
	if i.unread != nil {
		return inventory{err: i.unread}
	}
	of := slices.DeleteFunc(slices.Clone(i.applications[k.Name]), func(a application) bool {
		return k.Namespace != "" && a.Metadata.Namespace != k.Namespace
	})
	found := inventory{ids: map[string]bool{}, exists: len(of) > 0}
	for _, a := range of {
		for _, r := range a.Status.Resources {
			found.ids[inventoryID(r.Namespace, r.Name, r.Group, r.Kind)] = true
		}
	}
	return found
}

func (i *Inventories) listApplications(ctx context.Context) error {
	i.applications = map[string][]application{}
	text, err := i.argo.Get().Resource("applications").Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return notRead(err, "the Applications of Argo CD", "list", "applications."+applications.Group, "in all namespaces")
	}
	var list struct {
		Items []application `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("read the Applications of Argo CD: %w", err)
	}
	for _, a := range list.Items {
		i.applications[a.Metadata.Name] = append(i.applications[a.Metadata.Name], a)
	}
	return nil
}

// notRead adds to the error the permission that is needed to read an inventory.
func notRead(err error, what, verb, resource, where string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%s may not be read: it takes the verb %s on %s %s", what, verb, resource, where)
	}
	return fmt.Errorf("read %s: %w", what, err)
}
