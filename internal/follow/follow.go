package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
)

const (
	listTimeout = 30 * time.Second
	// A watch ends after a random time between this duration and twice as long. The list that follows corrects any
	// missed change.
	shortestWatch = 5 * time.Minute
	// backoffReset is the time without a failure after which the delay of a ConfigMap becomes short again.
	backoffReset = time.Minute
)

// backoff is the delay between two attempts to follow a ConfigMap.
var backoff = wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 8, Cap: 10 * time.Second}

// Follower writes ConfigMaps to a directory and keeps them up to date. Client, Directory and ConfigMaps are
// required.
type Follower struct {
	// Client reads the ConfigMaps of the namespace.
	Client corev1client.ConfigMapInterface
	// Directory contains one directory for each ConfigMap. Run creates it if it does not exist. Nothing else may write
	// to it.
	Directory string
	// ConfigMaps lists the names of the ConfigMaps. They need not exist.
	ConfigMaps []string
	// Log receives log messages. The zero value discards them.
	Log logr.Logger

	mu sync.Mutex
	// failures contains the error for every ConfigMap whose files may differ from its last list or watch event.
	failures map[string]error
}

// errNotListed is the error of a ConfigMap before its first list.
var errNotListed = errors.New("it has not been listed yet")

// Ready returns nil if every ConfigMap was listed and its files match the last list or watch event. A lost watch is
// not an error, because the files stay and readers enforce notAfter.
func (f *Follower) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures == nil {
		return errNotListed
	}
	var failures []error
	for _, name := range f.ConfigMaps {
		if err := f.failures[name]; err != nil {
			failures = append(failures, fmt.Errorf("ConfigMap %s: %w", name, err))
		}
	}
	return errors.Join(failures...)
}

// Run keeps the files up to date until the context ends. It returns an error at once if the directory cannot be
// used.
func (f *Follower) Run(ctx context.Context) error {
	if err := os.MkdirAll(f.Directory, directoryMode); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	root, err := os.OpenRoot(f.Directory)
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // no data is written through it
	if err := f.checkOthers(root); err != nil {
		return err
	}
	f.mu.Lock()
	f.failures = map[string]error{}
	for _, name := range f.ConfigMaps {
		f.failures[name] = errNotListed
	}
	f.mu.Unlock()
	// Lists run one at a time, so that only one ConfigMap is in memory.
	lists := make(chan struct{}, 1)
	var group errgroup.Group
	for _, name := range f.ConfigMaps {
		one := &configMap{follower: f, root: root, name: name, lists: lists, log: f.Log.WithValues("configMap", name)}
		group.Go(func() error { return one.run(ctx) })
	}
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// checkOthers returns an error if the directory contains files of a ConfigMap that is no longer followed, because
// readers of the directory would treat them as current.
func (f *Follower) checkOthers(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	var failures []error
	for _, entry := range entries {
		name := entry.Name()
		if slices.Contains(f.ConfigMaps, name) || len(validation.IsDNS1123Subdomain(name)) > 0 {
			continue
		}
		if _, err := root.Lstat(path.Join(name, dataLink)); err == nil {
			failures = append(failures, fmt.Errorf("%s has files of a ConfigMap that is not followed: remove it, or use another directory",
				path.Join(f.Directory, name)))
		}
	}
	return errors.Join(failures...)
}

// report records whether the files of a ConfigMap are current.
func (f *Follower) report(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures[name] = err
}

// listed reports whether the first list of a ConfigMap was processed.
func (f *Follower) listed(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures[name] == nil
}

// configMap follows one ConfigMap.
type configMap struct {
	follower *Follower
	root     *os.Root
	name     string
	lists    chan struct{}
	log      logr.Logger
}

// run lists and watches in a loop. A list follows every failure and corrects the files.
func (c *configMap) run(ctx context.Context) error {
	delay := backoff.DelayWithReset(clock.RealClock{}, backoffReset)
	return delay.Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		version, err := c.list(ctx)
		if err == nil {
			err = c.watch(ctx, version)
		}
		if err != nil && ctx.Err() == nil {
			c.log.Error(err, "Following failed and is tried again")
		}
		return false, nil
	})
}

// selected returns options that select the ConfigMap by its name. The API server then authorizes the request like
// one for this ConfigMap alone.
func (c *configMap) selected() metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, c.name).String()}
}

// list updates the files to the current state of the API server, and returns the version from which to watch. The
// list is a consistent read. A list from the API server's cache could restore data that the files no longer have.
func (c *configMap) list(ctx context.Context) (string, error) {
	select {
	case c.lists <- struct{}{}:
		defer func() { <-c.lists }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := c.follower.Client.List(ctx, c.selected())
	if err != nil {
		err = c.explain("list it", err)
		if !c.follower.listed(c.name) {
			c.follower.report(c.name, err)
		}
		return "", err
	}
	var found *corev1.ConfigMap
	for i := range list.Items {
		if list.Items[i].Name == c.name {
			found = &list.Items[i]
		}
	}
	return list.ResourceVersion, c.write(found)
}

// watch updates the files after every event until the watch ends.
func (c *configMap) watch(ctx context.Context, version string) error {
	options := c.selected()
	options.ResourceVersion = version
	options.TimeoutSeconds = new(int64((shortestWatch + rand.N(shortestWatch)).Seconds()))
	events, err := c.follower.Client.Watch(ctx, options)
	if err != nil {
		return c.explain("watch it", err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		shown, ok := event.Object.(*corev1.ConfigMap)
		switch {
		case event.Type == watch.Error:
			return c.explain("watch it", apierrors.FromObject(event.Object))
		case !ok || shown.Name != c.name:
			return fmt.Errorf("watch it: the API server sent %T for %s", event.Object, event.Type)
		case event.Type == watch.Deleted:
			err = c.write(nil)
		default:
			err = c.write(shown)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write updates the files to the ConfigMap. A nil ConfigMap means that it does not exist.
func (c *configMap) write(found *corev1.ConfigMap) error {
	files, version := map[string]string{}, "none"
	if found != nil {
		version = found.ResourceVersion
		for key, text := range found.Data {
			files[key] = text
		}
		for key, bytes := range found.BinaryData {
			files[key] = string(bytes)
		}
	}
	changed, err := c.swap(files)
	if err != nil {
		err = fmt.Errorf("write its files: %w", err)
	}
	if changed {
		c.log.Info("Files changed", "resourceVersion", version, "files", len(files))
	}
	c.follower.report(c.name, err)
	return err
}

func (c *configMap) swap(files map[string]string) (bool, error) {
	for key := range files {
		if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
			return false, fmt.Errorf("key %q: %s", key, strings.Join(problems, "; "))
		}
	}
	mount, err := openMount(c.root, c.name)
	if err != nil {
		return false, err
	}
	changed, err := mount.write(files)
	return changed, errors.Join(err, mount.close())
}

// explain adds the failed operation to the error, and the remedy for a missing right.
func (c *configMap) explain(what string, err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%s: %w: a Role has to allow list and watch on configmaps with the resource name %s", what, err, c.name)
	}
	return fmt.Errorf("%s: %w", what, err)
}
