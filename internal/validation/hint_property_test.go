package validation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// drawn returns a random object of the namespace. Users and applications are named after their namespace, in lower
// case. Some are capitalized or misspelled, and some belong to another namespace.
func drawn(t *testing.T, random *rand.Rand, namespace string, number int) client.Object {
	t.Helper()
	of := []string{namespace, namespace, "acme", "globex", "access-system"}[random.IntN(5)]
	name := func() string {
		user := fmt.Sprintf("%s-user%d", of, random.IntN(4))
		switch random.IntN(4) {
		case 0:
			return strings.ToUpper(user)
		case 1:
			return strings.Replace(user, "user", "usre", 1)
		default:
			return user
		}
	}
	application := strings.ToLower([]string{"finance", "finanse", "payroll"}[random.IntN(3)])
	switch random.IntN(5) {
	case 0:
		return parse(t, fmt.Sprintf("UserAccess %s/u%d\nspec: {user: %s, state: Suspended}", namespace, number, name()))[0]
	case 1:
		return parse(t, fmt.Sprintf("UserAccess %s/u%d\nspec: {user: %s}", namespace, number, name()))[0]
	case 2:
		return parse(t, fmt.Sprintf("AccessGroup access-system/g%d\nspec: {type: System, members: [{user: %s}], systemAccess: [{organization: %s, "+
			"applicationAccess: [{application: %s, role: Viewer}]}]}", number, name(), of, application))[0]
	default:
		return parse(t, fmt.Sprintf("AccessGroup %s/g%d\nspec: {members: [{user: %s}], applicationAccess: [{application: %s, role: Viewer}]}",
			namespace, number, name(), application))[0]
	}
}

// TestHintsOfRandomObjects checks that the order of objects makes no difference, and that hints for every
// requester do not name users whom only another namespace names.
func TestHintsOfRandomObjects(t *testing.T) {
	told, gated := 0, 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 5))
		var objects []client.Object
		for i := range 8 {
			objects = append(objects, drawn(t, random, []string{"acme", "globex"}[random.IntN(2)], i))
		}
		judging := func() *validation.Validator {
			r := roster.New(roster.Options{SystemNamespace: system})
			for _, i := range random.Perm(len(objects)) {
				if err := r.Set(objects[i]); err != nil {
					t.Fatal(err)
				}
			}
			r.Settle(june)
			return &validation.Validator{View: r.View}
		}
		one, other := judging(), judging()
		candidate := drawn(t, random, "acme", 99)
		hints := one.Hints(nil, candidate, june)
		if diff := cmp.Diff(hints, other.Hints(nil, candidate, june)); diff != "" {
			t.Fatalf("seed %d: the order matters (-one +other):\n%s", seed, diff)
		}
		for i := range hints {
			text := hints[i].Message
			if hints[i].Right != nil {
				gated++
				text = hints[i].Otherwise
			}
			told++
			for _, namespace := range []string{"globex", "acme", system} {
				if namespace == candidate.GetNamespace() {
					continue
				}
				for user := range one.View().Index().Namespace(namespace).KnownUsers() {
					own := len(one.View().Index().Namespace(candidate.GetNamespace()).NamingUser(user)) > 0
					if !own && strings.Contains(text, user) && !strings.Contains(fmt.Sprintf("%+v", candidate), user) {
						t.Errorf("seed %d: a hint for %s names %s: %s", seed, candidate.GetNamespace(), namespace, text)
					}
				}
				if strings.Contains(text, "/"+namespace+"/") {
					t.Errorf("seed %d: a hint for %s names objects of %s: %s", seed, candidate.GetNamespace(), namespace, text)
				}
			}
		}
	}
	if told < 100 || gated < 20 {
		t.Errorf("%d hints, %d of them for who may read: too few to say anything", told, gated)
	}
}
