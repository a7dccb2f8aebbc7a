package controller

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// unseen are the writes of documents that the watch has yet to show. Until it does, a document is not finished, even where
// the watch shows it as wanted: what should be there may have become, while a write of something else was on its way, what
// was there before. The zero value is ready.
type unseen struct {
	mu     sync.Mutex
	writes map[Output][]*write
}

// write is one of a ConfigMap, with the digest of what it holds then.
type write struct {
	key    types.NamespacedName
	digest string
	at     time.Time
}

// longestUnseen is when a write no longer counts: of one that got lost, or that a list anew has passed over, nothing shows.
const longestUnseen = 2 * time.Second

// expect notes that the ConfigMap of the document is about to be written. The function that it returns is told what came
// of it.
func (u *unseen) expect(o Output, key types.NamespacedName, digest string, now time.Time) (end func(wrote bool, err error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.writes == nil {
		u.writes = map[Output][]*write{}
	}
	begun := &write{key, digest, now}
	u.writes[o] = append(u.writes[o], begun)
	return func(wrote bool, err error) {
		if wrote && !refused(err) {
			return
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.keep(o, func(w *write) bool { return w != begun })
	}
}

// refused says that the API server has not done what it was asked to. Of other errors nobody knows.
func refused(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError
}

// shown notes what the watch shows: that write, and those before it, have been seen.
func (u *unseen) shown(o Output, cm *corev1.ConfigMap) {
	u.mu.Lock()
	defer u.mu.Unlock()
	digest := cm.Annotations[accessv1alpha1.AnnotationDigest]
	is := func(w *write) bool { return w.key.Name == cm.Name && w.digest == digest }
	if !slices.ContainsFunc(u.writes[o], is) {
		return
	}
	before := true
	u.keep(o, func(w *write) bool {
		if w.key.Name != cm.Name || !before {
			return true
		}
		before = !is(w)
		return false
	})
}

// any says whether there are writes of the document that the watch has yet to show.
func (u *unseen) any(o Output, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keep(o, func(w *write) bool { age := now.Sub(w.at); return age >= 0 && age < longestUnseen })
	return len(u.writes[o]) > 0
}

func (u *unseen) keep(o Output, which func(*write) bool) {
	kept := slices.DeleteFunc(u.writes[o], func(w *write) bool { return !which(w) })
	if len(kept) == 0 {
		delete(u.writes, o)
		return
	}
	u.writes[o] = kept
}
