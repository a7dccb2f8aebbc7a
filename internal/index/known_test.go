package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
)

// TestAlike sets and removes random objects, and compares the index with a search of all users.
func TestAlike(t *testing.T) {
	users := []string{"ana", "Ana", "ANA", "ben", "Ben", "zoë", "ZOË"}
	found := 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 7))
		layer := index.New(index.Options{SystemNamespace: "access-system"})
		layer.Ensure("acme")
		for range 30 {
			name, user := fmt.Sprintf("o%d", random.IntN(4)), accessv1alpha1.UserName(users[random.IntN(len(users))])
			meta := metav1.ObjectMeta{Namespace: "acme", Name: name}
			group, account := &accessv1alpha1.AccessGroup{ObjectMeta: meta}, &accessv1alpha1.UserAccess{ObjectMeta: meta}
			switch random.IntN(5) {
			case 0:
				must(t, layer.Remove(group))
			case 1:
				must(t, layer.Remove(account))
			case 2:
				account.Spec.User = user
				must(t, layer.Set(account))
			default:
				group.Spec.Members = []accessv1alpha1.Member{{User: user}}
				must(t, layer.Set(group))
			}
			n := layer.Freeze().Namespace("acme")
			known := slices.Sorted(n.KnownUsers())
			for _, user := range users {
				var want []string
				for _, other := range known {
					if other != user && strings.EqualFold(other, user) {
						want = append(want, other)
					}
				}
				found += len(want)
				if diff := cmp.Diff(want, n.Alike(user), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("seed %d: users like %s among %v (-want +got):\n%s", seed, user, known, diff)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no two names differ only in case")
	}
}
