package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

// volume simulates a projected volume without the kubelet's delay. Whenever a ConfigMap changes, it writes all files
// and swaps a link.
type volume struct {
	dir     string
	sources []corev1.VolumeProjection

	configMaps map[string]map[string]string
	count      int

	mu    sync.Mutex
	swaps []swap
	err   error
}

// swap is one change of all files, with the earliest time at which it was visible and the time at which it was
// complete.
type swap struct {
	begun, done time.Time
	users       map[string]bool
}

// mountVolume maintains the directory according to the sources until the end of the spec.
func mountVolume(ctx context.Context, n namespace, sources []corev1.VolumeProjection) *volume {
	GinkgoHelper()
	v := &volume{dir: GinkgoT().TempDir(), sources: sources, configMaps: map[string]map[string]string{}}
	var list corev1.ConfigMapList
	Expect(kube.List(ctx, &list, client.InNamespace(n.name))).To(Succeed())
	for i := range list.Items {
		v.configMaps[list.Items[i].Name] = list.Items[i].Data
	}
	Expect(v.update()).To(Succeed())
	w, err := kube.Watch(ctx, &corev1.ConfigMapList{}, &client.ListOptions{
		Namespace: n.name, Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion},
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan struct{})
	DeferCleanup(func() { w.Stop(); <-ended })
	go func() {
		defer close(ended)
		for event := range w.ResultChan() {
			if err := v.handle(event); err != nil {
				v.mu.Lock()
				v.err = errors.Join(v.err, err)
				v.mu.Unlock()
			}
		}
	}()
	return v
}

func (v *volume) handle(event watch.Event) error {
	cm, ok := event.Object.(*corev1.ConfigMap)
	if !ok {
		return fmt.Errorf("the watch shows %v", event.Object)
	}
	v.configMaps[cm.Name] = cm.Data
	if event.Type == watch.Deleted {
		delete(v.configMaps, cm.Name)
	}
	return v.update()
}

// files returns the files of the volume by path. An optional source that is missing has none.
func (v *volume) files() (map[string]string, error) {
	files := map[string]string{}
	for i := range v.sources {
		source := v.sources[i].ConfigMap
		optional := source.Optional != nil && *source.Optional
		data, ok := v.configMaps[source.Name]
		if !ok && !optional {
			return nil, fmt.Errorf("there is no ConfigMap %s to mount", source.Name)
		}
		for _, item := range source.Items {
			if text, ok := data[item.Key]; ok {
				files[item.Path] = text
			} else if !optional {
				return nil, fmt.Errorf("ConfigMap %s has no %s to mount", source.Name, item.Key)
			}
		}
	}
	return files, nil
}

// update writes the files as the kubelet does: into a new directory to which a link then points. Each top-level name is
// a link through that link.
func (v *volume) update() error {
	files, err := v.files()
	if err != nil {
		return err
	}
	v.count++
	fresh := fmt.Sprintf("..%d", v.count)
	tops := map[string]bool{}
	if err := os.Mkdir(filepath.Join(v.dir, fresh), 0o755); err != nil {
		return err
	}
	for path, text := range files {
		top, _, _ := strings.Cut(path, "/")
		tops[top] = true
		file := filepath.Join(v.dir, fresh, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	stale, err := os.Readlink(filepath.Join(v.dir, "..data"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	said := users(files)
	next := filepath.Join(v.dir, "..data_tmp")
	if err := os.Symlink(fresh, next); err != nil {
		return err
	}
	begun := time.Now()
	if err := os.Rename(next, filepath.Join(v.dir, "..data")); err != nil {
		return err
	}
	v.mu.Lock()
	v.swaps = append(v.swaps, swap{begun, time.Now(), said})
	v.mu.Unlock()
	return v.tidy(tops, stale)
}

// tidy creates the links that workloads read and removes the leftovers of the swap.
func (v *volume) tidy(tops map[string]bool, stale string) error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, "..") && !tops[name] {
			err = errors.Join(err, os.Remove(filepath.Join(v.dir, name)))
		}
	}
	for top := range tops {
		link := os.Symlink(filepath.Join("..data", top), filepath.Join(v.dir, top))
		if !errors.Is(link, fs.ErrExist) {
			err = errors.Join(err, link)
		}
	}
	if stale != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(v.dir, stale)))
	}
	return err
}

// users returns the users who have a role in any of the documents.
func users(files map[string]string) map[string]bool {
	all := map[string]bool{}
	for _, text := range files {
		var said document.Application
		if json.Unmarshal([]byte(text), &said) == nil {
			for user := range said.Users {
				all[user] = true
			}
		}
	}
	return all
}

// loses waits until the files no longer contain the user, and returns the swap that removed the user.
func (v *volume) loses(ctx context.Context, user string) swap {
	GinkgoHelper()
	var lost swap
	eventually(ctx, func(context.Context) error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.err != nil {
			return v.err
		}
		last := len(v.swaps) - 1
		if v.swaps[last].users[user] {
			return fmt.Errorf("the files have %s after %d swaps", user, len(v.swaps))
		}
		for last > 0 && !v.swaps[last-1].users[user] {
			last--
		}
		lost = v.swaps[last]
		return nil
	})
	return lost
}

// workload is the server of test/workload, started like the sample Deployment.
type workload struct {
	*volume
	url string
}

func startWorkload(ctx context.Context, n namespace) *workload {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "config", "samples", "analytics", "workload.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var sample appsv1.Deployment
	Expect(yaml.UnmarshalStrict(text, &sample)).To(Succeed())
	pod := sample.Spec.Template.Spec
	w := &workload{volume: mountVolume(ctx, n, pod.Volumes[0].Projected.Sources)}

	program, err := gexec.Build("github.com/usher-dev/usher/test/workload")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.Remove, program)
	container := &pod.Containers[0]
	args := []string{"--listen=127.0.0.1:0"}
	for _, arg := range container.Args {
		arg = strings.ReplaceAll(arg, "$("+container.Env[0].Name+")", n.name)
		args = append(args, strings.ReplaceAll(arg, container.VolumeMounts[0].MountPath, w.dir))
	}
	session, err := gexec.Start(exec.Command(program, args...), GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Terminate().Wait(patience); Expect(session).To(gexec.Exit(0)) })
	serving := regexp.MustCompile(`Serving address=(\S+)`)
	Eventually(func() []byte { return session.Err.Contents() }).Should(MatchRegexp(serving.String()))
	w.url = "http://" + string(serving.FindSubmatch(session.Err.Contents())[1])
	return w
}

// get requests the rows that the user sees.
func (w *workload) get(ctx context.Context, user string) (int, []map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/invoices", nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-User", user)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var rows []map[string]any
	if response.StatusCode == http.StatusOK {
		err = json.NewDecoder(response.Body).Decode(&rows)
	}
	return response.StatusCode, rows, err
}

// shows checks the countries of the rows that the user sees.
func (w *workload) shows(user string, want ...string) check {
	return func(ctx context.Context) error {
		status, rows, err := w.get(ctx, user)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%s gets %d, %w", user, status, err)
		}
		var got []string
		for _, row := range rows {
			got = append(got, fmt.Sprint(row["country"]))
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s sees %v, not %v", user, got, want)
		}
		return nil
	}
}

// answer is an answer of the workload. It was given not before asked and not after answered.
type answer struct {
	asked, answered time.Time
	status          int
}

// asker sends requests as a user repeatedly until the end of the spec.
type asker struct {
	user    string
	mu      sync.Mutex
	answers []answer
	err     error
}

func (w *workload) keepAsking(ctx context.Context, user string) *asker {
	a := &asker{user: user}
	asking, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	DeferCleanup(func() { stop(); <-ended })
	go func() {
		defer close(ended)
		for pause(asking, suite.PollInterval) == nil {
			asked := time.Now()
			status, _, err := w.get(asking, user)
			if asking.Err() != nil {
				return
			}
			a.mu.Lock()
			a.answers = append(a.answers, answer{asked, time.Now(), status})
			a.err = errors.Join(a.err, err)
			a.mu.Unlock()
		}
	}()
	return a
}

// turns checks that the user had access until an instant and no access from another one on.
func (a *asker) turns(until, from time.Time) check {
	return func(context.Context) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		var before, after int
		for _, one := range a.answers {
			switch {
			case one.answered.Before(until):
				before++
				if one.status != http.StatusOK {
					return fmt.Errorf("%s got %d %s too early", a.user, one.status, until.Sub(one.answered))
				}
			case !one.asked.Before(from):
				after++
				if one.status != http.StatusForbidden {
					return fmt.Errorf("%s got %d %s too late", a.user, one.status, one.asked.Sub(from))
				}
			}
		}
		if a.err != nil || before == 0 || after == 0 {
			return fmt.Errorf("%s got %d answers before and %d after, %w", a.user, before, after, a.err)
		}
		return nil
	}
}

// keeps checks that the user had access all the time, also after an instant.
func (a *asker) keeps(after time.Time) check {
	return func(context.Context) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, one := range a.answers {
			if one.status != http.StatusOK {
				return fmt.Errorf("%s got %d", a.user, one.status)
			}
		}
		if n := len(a.answers); a.err != nil || n == 0 || a.answers[n-1].asked.Before(after) {
			return fmt.Errorf("%s got %d answers, not enough, %w", a.user, n, a.err)
		}
		return nil
	}
}

var _ = Describe("A workload", func() {
	const amelie, bruno = "amelie@acme.example", "bruno@acme.example"
	// Two of the workload's invoices are from France.
	const rows = `dataPermissions: [{application: finance, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]`
	const viewer = `applicationAccess: [{application: finance, role: Viewer}]`

	It("answers 403 within a second after the file revokes access", func(ctx SpecContext) {
		o := newOrganization(ctx)
		w := startWorkload(ctx, o)
		now(ctx, func(ctx context.Context) error {
			status, _, err := w.get(ctx, amelie)
			Expect(status).To(Equal(http.StatusForbidden))
			return err
		})
		o.apply(ctx, "ApplicationAccess", "finance", "{}")
		o.apply(ctx, "AccessGroup", "france", fmt.Sprintf("{members: [{user: %s}], %s, %s}", amelie, viewer, rows))
		o.apply(ctx, "AccessGroup", "all", fmt.Sprintf("{members: [{user: %s}], %s}", bruno, viewer))
		eventually(ctx, all(w.shows(amelie, "France", "France"), w.shows(bruno, "France", "France", "Germany", "Austria", "Spain")))

		By("removing one user's role")
		revoked, kept := w.keepAsking(ctx, amelie), w.keepAsking(ctx, bruno)
		eventually(ctx, all(revoked.keeps(time.Now()), kept.keeps(time.Now())))
		o.apply(ctx, "AccessGroup", "france", fmt.Sprintf("{%s, %s}", viewer, rows))
		lost := w.loses(ctx, amelie)
		eventually(ctx, revoked.turns(lost.begun, lost.done.Add(time.Second)))
		eventually(ctx, kept.keeps(lost.done.Add(time.Second)))

		By("deleting the owner of the document")
		o.remove(ctx, "ApplicationAccess", "finance")
		lost = w.loses(ctx, bruno)
		eventually(ctx, kept.turns(lost.begun, lost.done.Add(time.Second)))
		eventually(ctx, o.absent("ConfigMap", applicationMap("finance")))
	})

	It("answers 403 at notAfter, with the manager stopped", func(ctx SpecContext) {
		o := newOrganization(ctx)
		w := startWorkload(ctx, o)
		o.apply(ctx, "ApplicationAccess", "finance", "{}")
		end := inSeconds(6)
		o.apply(ctx, "AccessGroup", "temps", fmt.Sprintf("{members: [{user: %s, notAfter: %q}, {user: %s}], %s}", amelie, at(end), bruno, viewer))
		o.waitReady(ctx, "accessgroup", "temps")
		ends, stays := w.keepAsking(ctx, amelie), w.keepAsking(ctx, bruno)
		eventually(ctx, w.shows(amelie, "France", "France", "Germany", "Austria", "Spain"))

		Expect(manager.Kill()).To(Succeed())
		down := true
		DeferCleanup(func(ctx SpecContext) {
			if down { // other specs need it, even after a failure
				manager.Start(ctx)
			}
		})
		Expect(time.Now()).To(BeTemporally("<", end), "the manager has to be down before the end")
		eventually(ctx, all(ends.turns(end, end), stays.keeps(end)))
		published, err := o.applicationDocument(ctx, "finance")
		Expect(err).NotTo(HaveOccurred())
		Expect(published.Users).To(HaveKey(amelie), "the document has not been written again")

		manager.Start(ctx)
		down = false
		w.loses(ctx, amelie)
		Expect(all(ends.turns(end, end), stays.keeps(time.Time{}))(ctx)).To(Succeed())
	})

	It("keeps letting users in while the document grows into more shards, and shrinks again", func(ctx SpecContext) {
		o := newOrganization(ctx)
		w := startWorkload(ctx, o)
		o.apply(ctx, "ApplicationAccess", "finance", "{}")
		team := make([]string, 12)
		for i := range team {
			team[i] = fmt.Sprintf("user-%d@acme.example", i)
		}
		o.apply(ctx, "AccessGroup", "team", fmt.Sprintf("{members: [{user: %s}], %s}", strings.Join(team, "}, {user: "), viewer))
		var keep []*asker
		for _, user := range team {
			eventually(ctx, w.shows(user, "France", "France", "Germany", "Austria", "Spain"))
			keep = append(keep, w.keepAsking(ctx, user))
		}
		allKeep := func(ctx context.Context) error {
			var failures []error
			for _, a := range keep {
				failures = append(failures, a.keeps(time.Now().Add(-suite.Steady))(ctx))
			}
			return errors.Join(failures...)
		}
		for _, count := range []int{4, 2, 1, 2} {
			By(fmt.Sprintf("%d shards", count))
			o.apply(ctx, "ApplicationAccess", "finance", fmt.Sprintf("{publish: {minimumShards: %d}}", count))
			eventually(ctx, o.mounts("finance", count))
			always(ctx, allKeep)
		}
	})
})
