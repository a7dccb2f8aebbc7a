package app

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/controller"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	contended   = "acme"
	previewed   = "preview" // prefix of the names of users who are in previews only
	application = "red"

	// largePreviews is the number of edits of largeMembers members, smallPreviews that of edits of one member.
	largePreviews, largeMembers = 64, 5000
	smallPreviews               = 1000
	// previewers is the number of concurrent previews of large edits, and also that of small ones.
	previewers = 8
	// publications is the minimum number of publications, however long the previews take.
	publications = 20
)

// contender is a manager without an API server: roster, controller and validation in this process.
type contender struct {
	*plane

	feed      *feed.Feed
	validator *validation.Validator
}

// startContender starts the manager. It stops at the end of the test.
func startContender(t *testing.T) *contender {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c := &contender{plane: newPlane(scheme)}
	mgr, err := ctrl.NewManager(&rest.Config{}, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(),
		NewCache:       func(*rest.Config, cache.Options) (cache.Cache, error) { return c.informers, nil },
		NewClient:      func(*rest.Config, client.Options) (client.Client, error) { return c.plane, nil },
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return meta.NewDefaultRESTMapper(nil), nil },
		Metrics:        metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	measured, losses := controller.NewMetrics(prometheus.NewRegistry()), validation.NewLosses()
	rosters := roster.New(roster.Options{SystemNamespace: "usher-system", Organizations: labels.Everything()})
	c.feed = feed.New(rosters, c.informers, time.Now)
	c.feed.Settled = func(s *feed.Settlement) { losses.Note(&s.Changes, s.Now) }
	c.validator = &validation.Validator{View: c.feed.View, Losses: losses, ConfigMaps: publish.ConfigMaps}
	reconciler := controller.New(c.feed, &publish.Publisher{
		Client: c.plane, Live: c.plane, Observed: publish.NewObserved(), Grace: time.Hour, Now: time.Now, Wrote: measured.Wrote,
	}, measured)
	reconciler.Recorder = &events.FakeRecorder{}
	if err := mgr.Add(c.feed); err != nil {
		t.Fatal(err)
	}
	if err := reconciler.SetupWithManager(mgr); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := mgr.Start(t.Context()); err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})
	t.Cleanup(running.Wait) // the test has cancelled its context by then
	select {
	case <-c.feed.Ready():
	case <-t.Context().Done():
		t.Fatal("the manager does not get ready")
	}
	// The informers have their handlers now.
	running.Go(func() { c.watch(t.Context()) })
	return c
}

// preview returns the verdict of admission about the change. All previews of this test go through it.
func (c *contender) preview(ctx context.Context, request *validation.Request) (*validation.Judgement, error) {
	return c.validator.Judge(ctx, request)
}

// TestPreviewsDuringSettlements previews edits of thousands of members and of one member concurrently, while members
// join and leave and the manager publishes these changes. Each preview gives the same result as on an idle manager. The
// published documents have the members who joined, and never a user from a preview.
func TestPreviewsDuringSettlements(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := startContender(t)
	c.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: contended}})
	c.create(t, &accessv1alpha1.ApplicationAccess{ObjectMeta: inOrganization(application)})
	c.create(t, groupWith("reviewed", "Viewer", users("reviewed", 20)...))
	c.create(t, groupWith("team", "Editor", users("team", 50)...))
	c.awaitUsers(ctx, t, rolesOf("Viewer", users("reviewed", 20), "Editor", users("team", 50)))

	large, small := c.largeRequests(t), c.smallRequests(t)
	wantLarge, wantSmall := c.previewAll(ctx, t, large), c.previewAll(ctx, t, small)

	var previews sync.WaitGroup
	var left atomic.Int32
	preview := func(requests []*validation.Request, want []*validation.Judgement, count int) {
		for worker := range previewers {
			left.Add(1)
			previews.Go(func() {
				defer left.Add(-1)
				for i := worker; i < count; i += previewers {
					got, err := c.preview(ctx, requests[i%len(requests)])
					if ctx.Err() != nil {
						return // another goroutine has failed the test
					}
					if err != nil {
						t.Errorf("preview %d: %v", i, err)
						return
					}
					if diff := diffJudgements(want[i%len(want)], got); diff != "" {
						t.Errorf("preview %d differs when others run concurrently (-idle +concurrent):\n%.4000s", i, diff)
					}
				}
			})
		}
	}
	preview(large, wantLarge, largePreviews)
	preview(small, wantSmall, smallPreviews)
	published := 0
	for ; left.Load() > 0 || published < publications; published++ {
		c.step(ctx, t, published)
		if t.Failed() {
			cancel()
			break
		}
	}
	previews.Wait()
	if ctx.Err() != nil {
		t.Fatal("the test ended before all was previewed and published")
	}
	t.Logf("%d changes were published during %d large and %d small previews", published, largePreviews, smallPreviews)
	c.awaitUsers(ctx, t, membersAfter(published))
	if strays := c.strays(); len(strays) > 0 {
		t.Errorf("published for users who are in previews only: %.2000v", strays)
	}
}

// step makes one change and waits until it is published: a member joins, the role of the group changes, or the members
// who joined leave.
func (c *contender) step(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	c.edit(ctx, t, "team", teamAfter(n+1))
	c.awaitUsers(ctx, t, membersAfter(n+1))
}

// teamAfter returns the group after the given number of steps.
func teamAfter(steps int) *accessv1alpha1.AccessGroup {
	const cycle = 6
	members, role := users("team", 50), "Editor"
	if steps%cycle >= cycle/2 {
		role = "Administrator"
	}
	return groupWith("team", role, append(members, users("joined", steps%cycle)...)...)
}

// membersAfter returns the roles in the application after the given number of steps.
func membersAfter(steps int) map[string]string {
	team := teamAfter(steps)
	var members []string
	for i := range team.Spec.Members {
		members = append(members, string(team.Spec.Members[i].User))
	}
	return rolesOf("Viewer", users("reviewed", 20), string(team.Spec.ApplicationAccess[0].Role), members)
}

// largeRequests returns two edits. One replaces the members of a group by largeMembers others. The other does the
// reverse on a version of the group that the roster does not have.
func (c *contender) largeRequests(t *testing.T) []*validation.Request {
	t.Helper()
	stored := c.group(t, "reviewed")
	more := stored.DeepCopy()
	more.Spec.Members = nil
	for _, user := range users(previewed, largeMembers) {
		more.Spec.Members = append(more.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
	}
	unseen := more.DeepCopy()
	unseen.ResourceVersion = "a version that the watch has not shown"
	return []*validation.Request{
		{Old: stored, New: more, Now: time.Now()},
		{Old: unseen, New: stored, Now: time.Now()},
	}
}

// smallRequests returns edits that each add a different member.
func (c *contender) smallRequests(t *testing.T) []*validation.Request {
	t.Helper()
	stored := c.group(t, "reviewed")
	var all []*validation.Request
	for _, user := range users(previewed, smallPreviews) {
		more := stored.DeepCopy()
		more.Spec.Members = append(more.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
		all = append(all, &validation.Request{Old: stored, New: more, Now: time.Now()})
	}
	return all
}

// previewAll previews the requests sequentially.
func (c *contender) previewAll(ctx context.Context, t *testing.T, requests []*validation.Request) []*validation.Judgement {
	t.Helper()
	var all []*validation.Judgement
	for _, request := range requests {
		judgement, err := c.preview(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		if len(judgement.Rights) == 0 {
			t.Fatalf("an edit that gives roles requires no right: %+v", judgement)
		}
		all = append(all, judgement)
	}
	return all
}

// diffJudgements compares judgements without the revision of the roster that they are based on.
func diffJudgements(want, got *validation.Judgement) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(validation.Judgement{}, "Revisions"),
		cmp.Comparer(func(a, b *field.Path) bool { return a.String() == b.String() }))
}

func inOrganization(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: contended, Name: name}
}

// users returns that many user names with the prefix.
func users(prefix string, count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("%s-%04d@acme.example", prefix, i))
	}
	return all
}

func groupWith(name, role string, members ...string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: inOrganization(name)}
	g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{
		{Application: application, Role: accessv1alpha1.RoleName(role)},
	}
	for _, user := range members {
		g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
	}
	return g
}

// rolesOf returns a map from user to role: viewers have the role viewer, editors the role editor.
func rolesOf(viewer string, viewers []string, editor string, editors []string) map[string]string {
	all := map[string]string{}
	for _, user := range viewers {
		all[user] = viewer
	}
	for _, user := range editors {
		all[user] = editor
	}
	return all
}

// group returns the stored group.
func (c *contender) group(t *testing.T, name string) *accessv1alpha1.AccessGroup {
	t.Helper()
	g := &accessv1alpha1.AccessGroup{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: contended, Name: name}, g); err != nil {
		t.Fatal(err)
	}
	controller.ObserveStatus(g)
	return g
}

// awaitUsers waits until the document of the application has exactly these users with these roles.
func (c *contender) awaitUsers(ctx context.Context, t *testing.T, want map[string]string) {
	t.Helper()
	for {
		published, changed := c.published()
		got := map[string]string{}
		for name, text := range published {
			documents, err := document.Parse([]byte(text))
			if err != nil {
				t.Fatalf("ConfigMap %s: %v", name, err)
			}
			for user, entry := range documents.Applications[0].Users {
				got[user] = entry.Role
			}
		}
		if maps.Equal(want, got) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("not published (-want +got):\n%.4000s", cmp.Diff(want, got))
		}
	}
}
