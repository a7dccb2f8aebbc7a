package fault_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
)

var _ = Describe("A published ConfigMap", func() {
	It("may be deleted or edited by a third party while it is being written", func(ctx SpecContext) {
		newManager(ctx)
		for range brief(2, 4) {
			r := begin(ctx)
			edited, deleted := 0, 0
			for range brief(4, 8) {
				from, _ := seen.written()
				r.change(ctx, all.changeOf(wave))
				awaitWrites(ctx, from+1+all.random.IntN(8))
				for range 3 {
					name := r.victim(ctx)
					if all.random.IntN(2) == 0 {
						deleted += r.remove(ctx, name)
					} else {
						edited += r.edit(ctx, name)
					}
				}
			}
			r.end(ctx)
			say("%d ConfigMaps were edited and %d deleted", edited, deleted)
		}
	}, SpecTimeout(5*time.Minute))
})

// victim returns the ConfigMap that was written last, or any.
func (r *round) victim(ctx context.Context) client.ObjectKey {
	GinkgoHelper()
	if last := seen.last(); last != nil && all.random.IntN(3) > 0 {
		return last.key
	}
	names := publishedNames(ctx)
	return names[all.random.IntN(len(names))]
}

// edit simulates a user who grants themselves access, unless the manager is faster. It returns the number of edits.
func (r *round) edit(ctx context.Context, name client.ObjectKey) int {
	GinkgoHelper()
	var cm corev1.ConfigMap
	if err := kube.Get(ctx, name, &cm); err != nil {
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		return 0
	}
	if cm.Data == nil {
		return 0 // it has already been edited
	}
	switch all.random.IntN(3) {
	case 0:
		cm.Data[document.AccessKey] = strings.Replace(cm.Data[document.AccessKey], `"users":{`,
			`"users":{"mallory@acme.example":{"role":"Administrator"},`, 1)
		cm.Data["intruder"] = fmt.Sprint(all.random.Uint32())
	case 1:
		cm.Data = nil
	case 2:
		cm.Labels = nil
	}
	err := kube.Update(ctx, &cm)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return 0
	}
	Expect(err).NotTo(HaveOccurred())
	r.edits[revisionOf(&cm)] = struct{}{}
	return 1
}

// remove simulates a third party that deletes the ConfigMap, unless the manager is faster. It returns the number of
// deletions.
func (r *round) remove(ctx context.Context, name client.ObjectKey) int {
	GinkgoHelper()
	var cm corev1.ConfigMap
	if err := kube.Get(ctx, name, &cm); err != nil {
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		return 0
	}
	err := kube.Delete(ctx, &cm, client.Preconditions{ResourceVersion: &cm.ResourceVersion})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return 0
	}
	Expect(err).NotTo(HaveOccurred())
	r.deletions = append(r.deletions, version{key: name, revision: revisionOf(&cm)})
	return 1
}
