package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
)

const (
	organization = "e2e"
	ana          = "ana@acme.example"
)

// volumes are the ways to mount a document. A kubelet updates all but the one with a subPath, whose file is read in the
// container.
var volumes = []string{"optional", "projected", "required"}

const organizationManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: e2e, labels: {access.usher.dev/organization: enabled}}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: red, namespace: e2e}
spec: {}
---
`

// groupManifest gives Ana a role in all applications.
const groupManifest = `
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: team, namespace: e2e}
spec:
  members: [%s]
  applicationAccess: [{application: red, role: %s}]
`

const readerManifest = `
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: e2e}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: reader
    image: busybox:1.37
    command: [/bin/sleep, "100000"]
    volumeMounts:
    - {name: optional, mountPath: /optional}
    - {name: projected, mountPath: /projected}
    - {name: required, mountPath: /required}
    - {name: required, mountPath: /sub/access.json, subPath: access.json}
  volumes:
  - name: optional
    configMap: {name: application-access-red, optional: true}
  - name: projected
    projected: {sources: [{configMap: {name: application-access-red, optional: true}}]}
  - name: required
    configMap: {name: application-access-red}
`

func documents() {
	It("publishes a document before a Pod needs it", core, func(ctx SpecContext) {
		apply(ctx, organizationManifest+fmt.Sprintf(groupManifest, "{user: "+ana+"}", "Editor"))
		kubectl(ctx, "--namespace="+organization, "wait", "--for=condition=Ready", "accessgroup/team", "--timeout=1m")
		apply(ctx, readerManifest)
		kubectl(ctx, "--namespace="+organization, "wait", "--for=condition=Ready", "pod/reader", "--timeout=2m")
		for _, volume := range volumes {
			Expect(roleIn(ctx, volume)).To(Equal("Editor"), "volume %s", volume)
		}
	}, SpecTimeout(5*time.Minute))

	It("brings a change into every mount", func(ctx SpecContext) {
		apply(ctx, fmt.Sprintf(groupManifest, "{user: "+ana+"}", "Viewer"))
		reaches(ctx, "a change", "Viewer", false)
	}, SpecTimeout(10*time.Minute))

	It("brings a change into every mount as soon as the Pod is annotated", core, func(ctx SpecContext) {
		apply(ctx, fmt.Sprintf(groupManifest, "{user: "+ana+"}", "RulesAdmin"))
		reaches(ctx, "a change, with an annotation of the Pod", "RulesAdmin", true)
	}, SpecTimeout(10*time.Minute))

	It("brings a revocation into every mount", func(ctx SpecContext) {
		apply(ctx, fmt.Sprintf(groupManifest, "", "Editor"))
		reaches(ctx, "a revocation", document.NoAccess, false)
		apply(ctx, fmt.Sprintf(groupManifest, "{user: "+ana+"}", "Editor"))
		reaches(ctx, "access again", "Editor", false)
	}, SpecTimeout(10*time.Minute))

	It("takes access out of every mount when the ApplicationAccess is deleted, also where the mount is not optional", core, func(ctx SpecContext) {
		for _, volume := range volumes {
			Expect(roleIn(ctx, volume)).NotTo(Equal(document.NoAccess), "volume %s", volume)
		}
		kubectl(ctx, "--namespace="+organization, "delete", "applicationaccess", "red")
		reaches(ctx, "the deletion of the ApplicationAccess, with an annotation of the Pod", document.NoAccess, true)
		// A file that is mounted with subPath is never updated; docs/documents.md warns of it.
		sub := kubectl(ctx, "--namespace="+organization, "exec", "reader", "--", "/bin/cat", "/sub/access.json")
		Expect(role([]byte(sub))).To(Equal("Editor"))
	}, SpecTimeout(10*time.Minute))
}

// reaches waits until every volume of the reader has the role for Ana, and measures how long each takes. With nudge, the
// Pod is annotated once the document is published, which makes the kubelet sync it at once.
func reaches(ctx context.Context, what, want string, nudge bool) {
	GinkgoHelper()
	started := time.Now()
	var published time.Duration
	left := slices.Clone(volumes)
	Eventually(func(g Gomega) {
		if published == 0 {
			g.Expect(publishedRole(ctx)).To(Equal(want), "the role in the ConfigMap")
			published = time.Since(started)
			measured.add(what+": published", published)
		}
		if nudge {
			kubectl(ctx, "--namespace="+organization, "annotate", "--overwrite", "pod/reader", fmt.Sprintf("nudge=%d", time.Now().UnixNano()))
		}
		left = slices.DeleteFunc(left, func(volume string) bool {
			if roleIn(ctx, volume) != want {
				return false
			}
			measured.add(what+": in the mount that is "+volume, time.Since(started))
			return true
		})
		g.Expect(left).To(BeEmpty(), "volumes that do not have the role %s yet", want)
	}).WithContext(ctx).WithPolling(500 * time.Millisecond).Should(Succeed())
}

// publishedRole returns Ana's role in the published document.
func publishedRole(ctx context.Context) string {
	GinkgoHelper()
	var cm corev1.ConfigMap
	err := kube.Get(ctx, types.NamespacedName{Namespace: organization, Name: "application-access-red"}, &cm)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return role([]byte(cm.Data[document.AccessKey]))
}

// roleIn returns Ana's role in a volume of the reader, as the kubelet keeps it on the node.
func roleIn(ctx context.Context, volume string) string {
	GinkgoHelper()
	var pod corev1.Pod
	Expect(kube.Get(ctx, types.NamespacedName{Namespace: organization, Name: "reader"}, &pod)).To(Succeed())
	plugin := "kubernetes.io~configmap"
	if volume == "projected" {
		plugin = "kubernetes.io~projected"
	}
	text, err := os.ReadFile(filepath.Join(plane.path(pod.Spec.NodeName, "kubelet", "pods", string(pod.UID), "volumes"), plugin, volume, document.AccessKey))
	if errors.Is(err, fs.ErrNotExist) {
		return document.NoAccess
	}
	Expect(err).NotTo(HaveOccurred())
	return role(text)
}

// role returns Ana's role in a document. No document gives no access.
func role(text []byte) string {
	GinkgoHelper()
	if strings.TrimSpace(string(text)) == "" {
		return document.NoAccess
	}
	var d document.Application
	Expect(json.Unmarshal(text, &d)).To(Succeed())
	if user, found := d.Users[ana]; found {
		return user.Role
	}
	return document.NoAccess
}
