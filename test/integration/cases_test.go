package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cases"
	"github.com/usher-dev/usher/test/suite"
)

const casesDirectory = "../cases"

// The namespaces of the cases, the system namespace first.
var caseNamespaces = cases.Namespaces()

var _ = Describe("The cases", Ordered, func() {
	paths, err := cases.Paths(casesDirectory)
	if err != nil {
		panic(err)
	}
	const soon = "--document-grace=100ms"

	BeforeAll(func(ctx SpecContext) {
		eventually(ctx, noTerminatingNamespaces) // a grant in all organizations would apply to those of other specs
		for _, name := range caseNamespaces {
			suite.CreateNamespace(ctx, kube, name, nil)
		}
		manager.Replace(ctx, soon)
		DeferCleanup(func(ctx SpecContext) {
			_, err := plane.Kubectl(ctx, append([]string{"delete", "namespace", "--timeout=30s"}, caseNamespaces[1:]...)...)
			Expect(err).NotTo(HaveOccurred())
		})
	})

	for _, path := range paths {
		It("have the expected result in a cluster: "+strings.TrimSuffix(filepath.Base(path), ".yaml"), func(ctx SpecContext) {
			c := loadCase(path)
			eventually(ctx, nothingLeft(caseNamespaces...))
			DeferCleanup(c.remove)

			c.apply(ctx, false)
			eventually(ctx, c.published)
			eventually(ctx, c.stated)
			eventually(ctx, managerIdle)
			bytes := dataOf(ctx, caseNamespaces...)
			versions := versionsOf(ctx, caseNamespaces...)

			By("starting the manager again")
			manager.Restart(ctx, soon)
			eventually(ctx, managerIdle)
			Expect(versionsOf(ctx, caseNamespaces...)).To(Equal(versions))

			By("applying the objects again, in reverse order")
			c.remove(ctx)
			c.apply(ctx, true)
			eventually(ctx, same(bytes, caseNamespaces...))
			now(ctx, c.published)
		})
	}
})

// versionsOf returns the resourceVersions of all objects, to check that nothing is written.
func versionsOf(ctx context.Context, namespaces ...string) map[string]string {
	GinkgoHelper()
	found, err := publishedIn(ctx, namespaces...)
	Expect(err).NotTo(HaveOccurred())
	versions := map[string]string{}
	for name, cm := range found {
		versions["ConfigMap/"+name] = cm.ResourceVersion
	}
	for _, in := range namespaces {
		for _, list := range []client.ObjectList{
			&accessv1alpha1.AccessGroupList{}, &accessv1alpha1.UserAccessList{},
			&accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{},
		} {
			Expect(kube.List(ctx, list, client.InNamespace(in))).To(Succeed())
			for _, o := range itemsOf(list) {
				versions[fmt.Sprintf("%T/%s/%s", o, in, o.GetName())] = o.GetResourceVersion()
			}
		}
	}
	return versions
}

// resolutionCase is a case of test/cases, with its times shifted to the present.
type resolutionCase struct {
	objects    []*unstructured.Unstructured
	namespaces []*unstructured.Unstructured // with the labels that they have in the case
	want       []document.User
	// text is the expectation of each user as in the file, to detect fields that the types do not have.
	text []map[string]any
}

func loadCase(path string) *resolutionCase {
	GinkgoHelper()
	loaded, err := cases.Load(path, time.Now())
	Expect(err).NotTo(HaveOccurred())
	c := &resolutionCase{objects: loaded.Objects, namespaces: loaded.Namespaces}
	Expect(json.Unmarshal(loaded.Want, &c.want)).To(Succeed())
	Expect(json.Unmarshal(loaded.Want, &c.text)).To(Succeed())
	return c
}

// apply creates the objects, and deletes those with a deletion timestamp.
func (c *resolutionCase) apply(ctx context.Context, reverse bool) {
	GinkgoHelper()
	objects := slices.Concat(c.namespaces, c.objects)
	if reverse {
		slices.Reverse(objects)
	}
	for _, o := range objects {
		declared := o.DeepCopy()
		declared.SetDeletionTimestamp(nil)
		Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(declared), fieldOwner, client.ForceOwnership)).To(Succeed())
		if o.GetDeletionTimestamp() != nil {
			Expect(kube.Delete(ctx, declared)).To(Succeed())
		}
	}
}

// remove deletes all objects, removes the labels of the namespaces, and waits until nothing is left of the objects.
func (c *resolutionCase) remove(ctx context.Context) {
	GinkgoHelper()
	for _, o := range c.namespaces {
		bare := &unstructured.Unstructured{}
		bare.SetGroupVersionKind(o.GroupVersionKind())
		bare.SetName(o.GetName())
		Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(bare), fieldOwner, client.ForceOwnership)).To(Succeed())
	}
	for _, o := range c.objects {
		if len(o.GetFinalizers()) > 0 {
			Expect(client.IgnoreNotFound(kube.Patch(ctx, o.DeepCopy(),
				client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))).To(Succeed())
		}
		Expect(client.IgnoreNotFound(kube.Delete(ctx, o.DeepCopy()))).To(Succeed())
	}
	eventually(ctx, nothingLeft(caseNamespaces...))
}

// published checks that the ConfigMaps are exactly those of the expectation, byte by byte.
func (c *resolutionCase) published(ctx context.Context) error {
	want := c.userDocuments()
	maps.Copy(want, c.applicationDocuments())
	maps.Copy(want, c.organizationsDocuments())
	return same(want, caseNamespaces...)(ctx)
}

func (c *resolutionCase) userDocuments() map[string]map[string]string {
	documents := map[string]map[string]string{}
	for i, d := range c.want {
		text := maps.Clone(c.text[i])
		text["apiVersion"], text["kind"] = document.APIVersion, document.KindUser
		documents[d.Organization+"/"+userMap(d.User)] = map[string]string{document.AccessKey: canonical(text)}
	}
	return documents
}

// applicationDocuments converts the expected user documents to application documents.
func (c *resolutionCase) applicationDocuments() map[string]map[string]string {
	documents := map[string]map[string]string{}
	for _, o := range c.objects {
		if o.GetKind() != "ApplicationAccess" || o.GetDeletionTimestamp() != nil || o.GetNamespace() == systemNamespace {
			continue
		}
		d := document.Application{
			APIVersion: document.APIVersion, Kind: document.KindApplication,
			Organization: o.GetNamespace(), Application: o.GetName(), Shards: 1,
			Roles: c.ladder(o.GetNamespace()), Users: map[string]document.ApplicationUser{},
		}
		rows := map[string]document.Filters{}
		for _, u := range c.want {
			entry, listed := u.Applications[o.GetName()]
			if u.Organization == o.GetNamespace() && listed && entry.Role != document.NoAccess {
				rows[u.User] = u.FiltersOf(o.GetName())
				d.Users[u.User] = document.ApplicationUser{Role: entry.Role, NotAfter: entry.NotAfter, Source: entry.Source}
			}
		}
		listFilters(&d, rows)
		documents[d.Organization+"/"+applicationMap(d.Application)] = map[string]string{document.AccessKey: canonical(d)}
	}
	return documents
}

// listFilters gives each user of the document the rows, as places in one list.
func listFilters(d *document.Application, rows map[string]document.Filters) {
	distinct := map[string]document.Filter{}
	for _, filters := range rows {
		for _, f := range filters {
			distinct[canonical(f)] = f
		}
	}
	texts := slices.Sorted(maps.Keys(distinct))
	for _, text := range texts {
		d.Filters = append(d.Filters, distinct[text])
	}
	for user, filters := range rows {
		entry := d.Users[user]
		for _, f := range filters {
			entry.Filters = append(entry.Filters, slices.Index(texts, canonical(f)))
		}
		slices.Sort(entry.Filters)
		d.Users[user] = entry
	}
}

// organizationsDocuments returns a document for every user who can enter two or more organizations.
func (c *resolutionCase) organizationsDocuments() map[string]map[string]string {
	entered := map[string][]document.Organization{}
	for _, u := range c.want {
		enters := u.OrganizationRole != document.NoAccess || u.DefaultRole != document.NoAccess
		for _, entry := range u.Applications {
			enters = enters || entry.Role != document.NoAccess
		}
		if enters {
			entered[u.User] = append(entered[u.User],
				document.Organization{Name: u.Organization, OrganizationRole: u.OrganizationRole, NotAfter: u.NotAfter})
		}
	}
	documents := map[string]map[string]string{}
	for user, list := range entered {
		if len(list) < 2 {
			continue
		}
		slices.SortFunc(list, func(a, b document.Organization) int { return strings.Compare(a.Name, b.Name) })
		documents[systemNamespace+"/"+organizationsMap(user)] = map[string]string{document.OrganizationsKey: canonical(
			document.Organizations{
				APIVersion: document.APIVersion, Kind: document.KindOrganizations, User: user, Organizations: list,
			})}
	}
	return documents
}

// ladder returns the application ladder of the organization: that of its policy, that of the system namespace, or the
// built-in one.
func (c *resolutionCase) ladder(organization string) []document.Role {
	GinkgoHelper()
	ladder := []accessv1alpha1.ApplicationRole{
		{Name: "Administrator", Permissions: []accessv1alpha1.Permission{"administer"}},
		{Name: "RulesAdmin", Permissions: []accessv1alpha1.Permission{"manage-rules"}},
		{Name: "Editor", Permissions: []accessv1alpha1.Permission{"edit"}},
		{Name: "Viewer", Permissions: []accessv1alpha1.Permission{"view"}},
	}
	policy := c.policy(organization)
	if policy == nil {
		policy = c.policy(systemNamespace)
	}
	if policy != nil && len(policy.Spec.ApplicationRoles) > 0 {
		ladder = policy.Spec.ApplicationRoles
	}
	roles := make([]document.Role, len(ladder))
	inherited := []string{}
	for i := len(ladder) - 1; i >= 0; i-- {
		for _, p := range ladder[i].Permissions {
			inherited = append(inherited, string(p))
		}
		slices.Sort(inherited)
		inherited = slices.Compact(inherited)
		roles[i] = document.Role{Name: string(ladder[i].Name), Permissions: slices.Clone(inherited)}
	}
	return roles
}

func (c *resolutionCase) policy(in string) *accessv1alpha1.AccessPolicy {
	GinkgoHelper()
	for _, o := range c.objects {
		if o.GetKind() == "AccessPolicy" && o.GetNamespace() == in {
			text, err := o.MarshalJSON()
			Expect(err).NotTo(HaveOccurred())
			policy := &accessv1alpha1.AccessPolicy{}
			Expect(json.Unmarshal(text, policy)).To(Succeed())
			return policy
		}
	}
	return nil
}

// stated checks that every user has an effective UserAccess whose status agrees with the document, and that there are
// no other UserAccess objects except for declared ones.
func (c *resolutionCase) stated(ctx context.Context) error {
	stated := map[string]document.User{}
	for _, in := range caseNamespaces[1:] {
		var list accessv1alpha1.UserAccessList
		if err := kube.List(ctx, &list, client.InNamespace(in)); err != nil {
			return err
		}
		for i := range list.Items {
			ua := &list.Items[i]
			if slices.ContainsFunc(ua.Status.Conditions, notReady(accessv1alpha1.ReasonDuplicateUser, "").met(ua.Generation)) ||
				ua.DeletionTimestamp != nil {
				continue
			}
			if ua.Status.ObservedGeneration != ua.Generation {
				return fmt.Errorf("UserAccess %s/%s has no status yet", in, ua.Name)
			}
			d := document.User{
				Organization: in, User: string(ua.Spec.User),
				OrganizationRole: string(ua.Status.OrganizationRole), DefaultRole: string(ua.Status.DefaultRole),
				Applications: map[string]document.UserApplication{},
			}
			for _, e := range ua.Status.Applications {
				d.Applications[string(e.Name)] = document.UserApplication{Role: string(e.Role), Source: string(e.Source)}
			}
			stated[in+"/"+d.User] = d
		}
	}
	want := map[string]document.User{}
	for _, u := range c.want {
		d := document.User{
			Organization: u.Organization, User: u.User, OrganizationRole: u.OrganizationRole, DefaultRole: u.DefaultRole,
			Applications: map[string]document.UserApplication{},
		}
		for name, entry := range u.Applications {
			source := entry.Source
			if entry.Role == document.NoAccess {
				source = stated[u.Organization+"/"+u.User].Applications[name].Source // the document has no source; the status has one
			}
			d.Applications[name] = document.UserApplication{Role: entry.Role, Source: source}
		}
		want[u.Organization+"/"+u.User] = d
	}
	if diff := cmp.Diff(want, stated); diff != "" {
		return fmt.Errorf("statuses of the UserAccess objects (-want +got):\n%s", diff)
	}
	return nil
}

// canonical encodes a value as documented: one line, keys sorted, only necessary escapes.
func canonical(v any) string {
	GinkgoHelper()
	text, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	var fields any
	Expect(json.Unmarshal(text, &fields)).To(Succeed())
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	Expect(encoder.Encode(fields)).To(Succeed())
	return strings.TrimSuffix(b.String(), "\n")
}
