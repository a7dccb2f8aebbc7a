package controller

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

func TestExpectations(t *testing.T) {
	red := Output{ApplicationDocument, "acme", "red"}
	conflict := apierrors.NewConflict(corev1.Resource("configmaps"), "a", nil)
	type step func(x *expectations)
	sends := func(name string) step { return func(x *expectations) { x.send(red, name) } }
	answered := func(name string, write publish.Write, err error, seen string) step {
		return func(x *expectations) { x.answer(red, name, write, err, seen, june) }
	}
	writes := func(name, version string) step {
		return func(x *expectations) {
			sends(name)(x)
			answered(name, publish.Write{Version: version}, nil, "1")(x)
		}
	}
	deletes := func(version string) step {
		return func(x *expectations) {
			sends("a")(x)
			answered("a", publish.Write{Version: version, Deleted: true}, nil, version)(x)
		}
	}
	fails := func(err error) step {
		return func(x *expectations) {
			sends("a")(x)
			answered("a", publish.Write{}, err, "1")(x)
		}
	}
	shows := func(name, version string) step { return func(x *expectations) { x.show(red, name, version, false) } }
	gone := func(version string) step { return func(x *expectations) { x.show(red, "a", version, true) } }
	learns := func(live, seen string) step { return func(x *expectations) { x.learn(red, "a", live, seen, june) } }
	for name, tc := range map[string]struct {
		steps []step
		want  bool
	}{
		"nothing":                                  {nil, false},
		"on its way":                               {[]step{sends("a")}, true},
		"answered":                                 {[]step{writes("a", "9")}, true},
		"the same version":                         {[]step{writes("a", "9"), shows("a", "9")}, false},
		"a later version":                          {[]step{writes("a", "9"), shows("a", "10")}, false},
		"an earlier version":                       {[]step{writes("a", "10"), shows("a", "9")}, true},
		"not a version":                            {[]step{writes("a", "9"), shows("a", "")}, true},
		"another ConfigMap":                        {[]step{writes("a", "9"), shows("b", "9")}, true},
		"one of two ConfigMaps":                    {[]step{writes("a", "9"), writes("b", "10"), shows("a", "9")}, true},
		"the first of two writes":                  {[]step{writes("a", "9"), writes("a", "10"), shows("a", "9")}, true},
		"the second of two writes":                 {[]step{writes("a", "9"), writes("a", "10"), shows("a", "10")}, false},
		"shown before the answer":                  {[]step{sends("a"), shows("a", "9"), answered("a", publish.Write{Version: "9"}, nil, "1")}, false},
		"a write that changed nothing":             {[]step{sends("a"), answered("a", publish.Write{Version: "9"}, nil, "9")}, false},
		"nothing was written":                      {[]step{fails(nil)}, false},
		"refused":                                  {[]step{fails(conflict)}, false},
		"refused after an unseen write":            {[]step{writes("a", "9"), fails(conflict)}, true},
		"deleted":                                  {[]step{deletes("9")}, true},
		"deleted and shown as before":              {[]step{deletes("9"), shows("a", "9")}, true},
		"deleted and shown gone":                   {[]step{deletes("9"), gone("10")}, false},
		"deleted and found missing":                {[]step{deletes("9"), gone("9")}, false},
		"deleted and kept by a finalizer":          {[]step{deletes("9"), shows("a", "10")}, false},
		"created after a deletion that is shown":   {[]step{writes("a", "11"), gone("10")}, true},
		"written and then deleted":                 {[]step{writes("a", "9"), gone("12")}, false},
		"connection lost":                          {[]step{fails(errors.New("connection lost"))}, true},
		"a server error":                           {[]step{fails(apierrors.NewInternalError(errFails))}, true},
		"connection lost, a later version is seen": {[]step{fails(errors.New("connection lost")), shows("a", "9")}, true},
		"it was not written":                       {[]step{fails(errors.New("connection lost")), learns("1", "1")}, false},
		"it was written":                           {[]step{fails(errors.New("connection lost")), learns("9", "1")}, true},
		"it was written, and is shown":             {[]step{fails(errors.New("connection lost")), learns("9", "1"), shows("a", "9")}, false},
		"it was written, and had been shown":       {[]step{fails(errors.New("connection lost")), shows("a", "9"), learns("9", "1")}, false},
		"it is gone":                               {[]step{fails(errors.New("connection lost")), learns("", "1")}, true},
		"it is gone, and is shown so":              {[]step{fails(errors.New("connection lost")), learns("", "1"), gone("9")}, false},
		"there never was one":                      {[]step{fails(errors.New("connection lost")), learns("", "")}, false},
		"created and deleted between two lists":    {[]step{writes("a", "9"), learns("", "")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var x expectations
			for _, s := range tc.steps {
				s(&x)
			}
			if got := x.pending(red); got != tc.want {
				t.Errorf("pending is %t, want %t", got, tc.want)
			}
			if x.pending(Output{ApplicationDocument, "acme", "blue"}) {
				t.Error("another document is pending")
			}
		})
	}
}

func TestExpectationsInDoubt(t *testing.T) {
	red := Output{ApplicationDocument, "acme", "red"}
	var x expectations
	x.send(red, "a")
	if got := x.inDoubt(red, june.Add(time.Hour)); len(got) > 0 {
		t.Errorf("%v are in doubt while the write is on its way", got)
	}
	x.answer(red, "a", publish.Write{Version: "9"}, nil, "1", june)
	now := june
	for _, seconds := range []int{2, 4, 8, 16, 32, 60, 60} {
		now = now.Add(time.Duration(seconds)*time.Second - 1)
		if got := x.doubtful(now); len(got) > 0 {
			t.Errorf("%v are in doubt before %ds have passed", got, seconds)
		}
		now = now.Add(1)
		if got := x.inDoubt(red, now); !slices.Equal(got, []string{"a"}) || !slices.Equal(x.doubtful(now), []Output{red}) {
			t.Errorf("%v are in doubt after %ds", got, seconds)
		}
		x.learn(red, "a", "9", "1", now)
	}
	if !x.pending(red) {
		t.Error("a write counts as seen although the watch does not show it yet")
	}
}

// lagging is a leader with an API server whose watch shows only what the test chooses.
type lagging struct {
	*testing.T

	kube       client.WithWatch
	lose       bool // drops the answers to writes
	reconciler *Reconciler
	now        time.Time
	generation int64
}

var (
	redDocument = Output{ApplicationDocument, "acme", "red"}
	redKey      = types.NamespacedName{Namespace: "acme", Name: publish.ApplicationName("red", 0)}
)

func newLagging(t *testing.T) *lagging {
	t.Helper()
	l := &lagging{T: t, now: june}
	answer := func(err error) error {
		if err == nil && l.lose {
			return errors.New("connection lost")
		}
		return err
	}
	l.kube = interceptor.NewClient(fake.NewClientBuilder().WithScheme(worldScheme()).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return answer(c.Create(ctx, o, options...))
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			return answer(c.Update(ctx, o, options...))
		},
	})
	l.reconciler = newReconciler(&publish.Publisher{
		Client: l.kube, Live: l.kube, Observed: publish.NewObserved(), Now: func() time.Time { return l.now },
	})
	return l
}

// give declares that ana has the role, and reconciles the document after the write interval.
func (l *lagging) give(role accessv1alpha1.RoleName) {
	l.Helper()
	l.generation++
	declareTeam(l.T, l.reconciler, role, l.generation)
	l.reconciler.tracker.touch(redDocument, touch{}, l.now)
	_ = l.reconcile(writeInterval) // its answer may be lost
}

// reconcile lets the time pass, reconciles the document and returns the error.
func (l *lagging) reconcile(after time.Duration) error {
	l.Helper()
	l.now = l.now.Add(after)
	_, err := l.reconciler.reconcileDocument(l.Context(), redDocument)
	return err
}

// held returns the ConfigMap on the API server.
func (l *lagging) held() *corev1.ConfigMap {
	l.Helper()
	cm := &corev1.ConfigMap{}
	if err := l.kube.Get(l.Context(), redKey, cm); err != nil {
		l.Fatal(err)
	}
	return cm
}

func (l *lagging) show(cm *corev1.ConfigMap) {
	shown := cm.DeepCopy()
	publish.Observe(shown)
	l.reconciler.configMapHandler().OnUpdate(nil, shown)
}

func (l *lagging) isFinished() bool { return l.reconciler.tracker.openSince(redDocument).IsZero() }

func (l *lagging) holds(role string) {
	l.Helper()
	if text := l.held().Data[document.AccessKey]; !strings.Contains(text, `"role":"`+role+`"`) {
		l.Errorf("the API server does not hold a document that gives %s: %s", role, text)
	}
}

// raise publishes the role of a viewer, then writes that of an administrator, which the watch does not show, and
// revokes it.
func (l *lagging) raise() (raised *corev1.ConfigMap) {
	l.Helper()
	l.give("Viewer")
	l.show(l.held())
	if !l.isFinished() {
		l.Error("a document that the watch shows as it was written is not finished")
	}
	l.give("Administrator")
	l.holds("Administrator")
	raised = l.held()
	l.give("Viewer")
	return raised
}

func TestDocumentThatChangedBackIsFinishedByTheWatch(t *testing.T) {
	l := newLagging(t)
	raised := l.raise()
	for _, after := range []time.Duration{0, time.Second, 2 * time.Second, time.Hour} {
		if err := l.reconcile(after); err != nil {
			t.Fatal(err)
		}
		if l.isFinished() {
			t.Fatalf("the document is finished after %s although the watch does not show yet that it gives more", after)
		}
	}
	l.show(raised)
	if err := l.reconcile(writeInterval); err != nil {
		t.Fatal(err)
	}
	l.holds("Viewer")
	l.show(l.held())
	if !l.isFinished() {
		t.Error("a document that changed back is not finished")
	}
}

func TestLaterVersionMeetsAnExpectation(t *testing.T) {
	l := newLagging(t)
	before := newLagging(t)
	before.give("Viewer")
	l.raise()
	// A third party writes the wanted content, and the watch lists again.
	cm := l.held()
	cm.Data, cm.Annotations = before.held().Data, before.held().Annotations
	if err := l.kube.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	l.show(l.held())
	if !l.isFinished() {
		t.Error("the document is not finished although the watch shows a version that is later than the one written")
	}
}

func TestLiveReadResolvesALostAnswer(t *testing.T) {
	l := newLagging(t)
	l.give("Viewer")
	l.show(l.held())
	l.lose = true
	l.give("Administrator")
	l.lose = false
	l.holds("Administrator")
	raised := l.held()
	l.give("Viewer")
	for _, after := range []time.Duration{0, time.Hour} {
		if err := l.reconcile(after); err != nil {
			t.Fatal(err)
		}
		if l.isFinished() {
			t.Fatal("the document is finished although the API server holds a version that gives more")
		}
	}
	l.show(raised)
	if err := l.reconcile(writeInterval); err != nil {
		t.Fatal(err)
	}
	l.show(l.held())
	if !l.isFinished() {
		t.Error("the document is not finished when the watch shows it")
	}

	// Once more, with a write that was not done.
	l.lose = true
	l.kube = interceptor.NewClient(l.kube, interceptor.Funcs{
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
			return errors.New("connection refused")
		},
	})
	l.reconciler.Publisher.Client = l.kube
	l.give("Administrator")
	if l.isFinished() {
		t.Error("a document that could not be written is finished")
	}
	l.give("Viewer")
	if !l.isFinished() {
		t.Error("a document with the wanted content waits for a write that was not done")
	}
}

func TestDocumentMissedByAListIsWrittenAgain(t *testing.T) {
	l := newLagging(t)
	queue := &world{t: t, now: june, waiting: map[Output]time.Time{}}
	if err := l.reconciler.becomeLeader(queue); err != nil {
		t.Fatal(err)
	}
	l.give("Viewer")
	if err := l.kube.Delete(t.Context(), l.held()); err != nil {
		t.Fatal(err)
	}
	clear(queue.waiting)
	l.reconciler.enqueueDoubtful()
	if len(queue.waiting) > 0 {
		t.Errorf("%v is looked at at once", queue.waiting)
	}
	l.now = l.now.Add(firstDoubt)
	l.reconciler.enqueueDoubtful()
	if _, due := queue.waiting[redDocument]; !due {
		t.Fatal("a document that was created and deleted between two lists is not checked")
	}
	if err := l.reconcile(0); err != nil {
		t.Fatal(err)
	}
	l.holds("Viewer")
}

// statuses is a leader that writes the status of group all, which group team is a member of.
type statuses struct {
	*lagging

	waiting *world
	written *accessv1alpha1.AccessGroup
	live    string // the version that the API server holds
	// meanwhile, if set, runs before a write is answered.
	meanwhile func()
}

func newStatuses(t *testing.T) *statuses {
	t.Helper()
	s := &statuses{lagging: newLagging(t)}
	version := int64(100)
	s.reconciler.Publisher.Client = interceptor.NewClient(s.kube, interceptor.Funcs{
		SubResourceUpdate: func(_ context.Context, _ client.Client, _ string, o client.Object, _ ...client.SubResourceUpdateOption) error {
			version++
			s.live = strconv.FormatInt(version, 10)
			o.SetResourceVersion(s.live)
			s.written = o.DeepCopyObject().(*accessv1alpha1.AccessGroup)
			if s.meanwhile != nil {
				s.meanwhile()
			}
			return nil
		},
	})
	s.reconciler.Publisher.Live = interceptor.NewClient(s.kube, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			o.SetResourceVersion(s.live)
			return nil
		},
	})
	s.waiting = &world{t: t, now: june, waiting: map[Output]time.Time{}}
	if err := s.reconciler.becomeLeader(s.waiting); err != nil {
		t.Fatal(err)
	}
	s.set(1, "all", "1", accessv1alpha1.AccessGroupSpec{MemberGroups: []accessv1alpha1.GroupName{"team"}})
	s.team(1, "ana@acme.example")
	return s
}

var allStatus = Output{GroupStatus, "acme", "all"}

func (s *statuses) set(generation int64, name, version string, spec accessv1alpha1.AccessGroupSpec) {
	g := &accessv1alpha1.AccessGroup{Spec: spec}
	g.ObjectMeta = metav1.ObjectMeta{Namespace: "acme", Name: name, Generation: generation, ResourceVersion: version}
	ObserveStatus(g)
	s.reconciler.Feed.Handler().OnAdd(g, true)
	s.reconciler.settle()
}

func (s *statuses) team(generation int64, users ...accessv1alpha1.UserName) {
	var spec accessv1alpha1.AccessGroupSpec
	for _, user := range users {
		spec.Members = append(spec.Members, accessv1alpha1.Member{User: user})
	}
	s.set(generation, "team", "1", spec)
}

// showStatus has the watch show the group with the status that was written.
func (s *statuses) showStatus(o *accessv1alpha1.AccessGroup) {
	shown := s.observed(o)
	s.reconciler.Feed.Handler().OnUpdate(shown, shown)
	s.reconciler.settle()
}

// observed returns the group as the watch shows it with the status that was written.
func (s *statuses) observed(o *accessv1alpha1.AccessGroup) *accessv1alpha1.AccessGroup {
	s.Helper()
	shown := o.DeepCopy()
	shown.Generation, shown.Spec = 1, accessv1alpha1.AccessGroupSpec{MemberGroups: []accessv1alpha1.GroupName{"team"}}
	ObserveStatus(shown)
	return shown
}

// write reconciles the status when nothing delays it any more, and returns what was written.
func (s *statuses) write() *accessv1alpha1.AccessGroup {
	s.Helper()
	s.now = s.now.Add(2 * patience)
	clear(s.waiting.waiting)
	s.written = nil
	if _, err := s.reconciler.reconcileStatus(s.Context(), allStatus); err != nil {
		s.Fatal(err)
	}
	return s.written
}

func (s *statuses) isLookedAt() bool {
	_, due := s.waiting.waiting[allStatus]
	return due
}

func TestOwnStatusIsNotRecomputed(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(s *statuses)
		want    bool
	}{
		"shown after the answer":  {func(s *statuses) { s.showStatus(s.write()) }, false},
		"shown before the answer": {func(s *statuses) { s.meanwhile = func() { s.showStatus(s.written) }; s.write() }, false},
		"shown twice":             {func(s *statuses) { s.showStatus(s.write()); s.showStatus(s.written) }, true},
		"written by somebody else": {func(s *statuses) {
			other := s.write().DeepCopy()
			other.ResourceVersion = "900"
			s.showStatus(other)
		}, true},
		"written by somebody else before the answer": {func(s *statuses) {
			s.meanwhile = func() {
				other := s.written.DeepCopy()
				other.ResourceVersion = "900"
				s.showStatus(other)
			}
			s.write()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStatuses(t)
			tc.happens(s)
			if s.written == nil {
				t.Fatal("no status was written")
			}
			if got := s.isLookedAt(); got != tc.want {
				t.Errorf("looked at again: %t, want %t", got, tc.want)
			}
		})
	}
}

// TestOnlySomeUpdatesOfAStatusAreWanted checks which updates without effect on decisions need a settlement.
func TestOnlySomeUpdatesOfAStatusAreWanted(t *testing.T) {
	atVersion := func(o *accessv1alpha1.AccessGroup, version string) *accessv1alpha1.AccessGroup {
		o.ResourceVersion = version
		return o
	}
	for name, tc := range map[string]struct {
		shows func(s *statuses) *accessv1alpha1.AccessGroup
		want  bool
	}{
		"the own status":     {func(s *statuses) *accessv1alpha1.AccessGroup { return s.written }, false},
		"an earlier version": {func(s *statuses) *accessv1alpha1.AccessGroup { return atVersion(s.written, "2") }, false},
		"a later version":    {func(s *statuses) *accessv1alpha1.AccessGroup { return atVersion(s.written, "900") }, true},
		"the own status, which should be another one by now": {func(s *statuses) *accessv1alpha1.AccessGroup {
			own := s.written
			s.team(2, "ana@acme.example", "ben@acme.example")
			if again := s.write(); again != nil {
				s.Errorf("written although the view has an earlier version: %+v", again.Status)
			}
			return own
		}, true},
		"on a replica that does not lead": {func(s *statuses) *accessv1alpha1.AccessGroup {
			s.reconciler.queue = nil
			return atVersion(s.written, "900")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStatuses(t)
			s.write()
			if got := s.reconciler.Feed.Wanted(s.observed(tc.shows(s))); got != tc.want {
				t.Errorf("wanted: %t, want %t", got, tc.want)
			}
		})
	}
}

// TestStatusOfARestoredObjectIsWrittenAgain restores etcd after a status was written. The watch then shows the object
// without the status, at a version that is earlier than the one that was written.
func TestStatusOfARestoredObjectIsWrittenAgain(t *testing.T) {
	s := newStatuses(t)
	restored := s.write().DeepCopy()
	s.live = "50"
	restored.ResourceVersion, restored.Status = s.live, accessv1alpha1.AccessGroupStatus{}
	s.showStatus(restored)
	if s.isLookedAt() {
		t.Error("an earlier version is looked at, although the watch may show the written one later")
	}
	s.now = s.now.Add(firstDoubt)
	s.reconciler.enqueueDoubtful()
	if !s.isLookedAt() {
		t.Fatal("a status that the watch does not show is not looked at")
	}
	if s.write() == nil {
		t.Error("the status was not written again")
	}
}

// TestOutdatedStatusIsRecomputed changes what a status reports and changes it back before the watch shows the
// status that was written in between.
func TestOutdatedStatusIsRecomputed(t *testing.T) {
	s := newStatuses(t)
	s.showStatus(s.write())

	s.team(2, "ana@acme.example", "ben@acme.example")
	two := s.write()
	if two == nil || two.Status.Members != 2 {
		t.Fatalf("written with two members: %+v", two)
	}
	s.team(3, "ana@acme.example")
	if again := s.write(); again != nil {
		t.Fatalf("written although the watch does not show the last status yet: %+v", again.Status)
	}
	s.showStatus(two)
	if !s.isLookedAt() {
		t.Fatal("a status that should be another one by now is not looked at")
	}
	if again := s.write(); again == nil || again.Status.Members != 1 {
		t.Errorf("written with one member again: %+v", again)
	}
}

func TestNoStatusIsComputedBeforeItsSettlementIsMarked(t *testing.T) {
	s := newStatuses(t)
	s.showStatus(s.write())
	team := &accessv1alpha1.AccessGroup{}
	team.ObjectMeta = metav1.ObjectMeta{Namespace: "acme", Name: "team", Generation: 2, ResourceVersion: "2"}
	team.Spec.Members = []accessv1alpha1.Member{{User: "ana@acme.example"}, {User: "ben@acme.example"}}
	s.reconciler.Feed.Handler().OnUpdate(nil, team)
	s.reconciler.Feed.Settle()
	if written := s.write(); written != nil {
		t.Errorf("written before the documents that the change touches are marked: %+v", written.Status)
	}
	s.reconciler.Feed.Flush()
	if written := s.write(); written == nil || written.Status.Members != 2 {
		t.Errorf("written with two members: %+v", written)
	}
}
