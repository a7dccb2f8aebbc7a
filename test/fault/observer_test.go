package fault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/usher-dev/usher/internal/publish"
)

// observer sees every version of every published ConfigMap, in order and without gaps. It watches the store directly,
// because a restarted API server does not show earlier writes to clients of its predecessor.
type observer struct {
	url string

	mu       sync.Mutex
	stands   contents
	versions []version
	writes   int // of published ConfigMaps and of objects of the four kinds
	revision int64
	failed   error
	changed  chan struct{} // closed and replaced with every batch
}

// The keys under which the API server stores the observed objects.
const (
	configMapPrefix = "/registry/configmaps/"
	kindsPrefix     = "/registry/access.usher.dev/"
)

// Messages of the store's JSON gateway, in which 64-bit numbers are strings.
type (
	storedKey struct {
		Key      []byte `json:"key,omitempty"`
		RangeEnd []byte `json:"range_end,omitempty"`
		Revision int64  `json:"start_revision,omitempty,string"`
	}
	storedValue struct {
		Key      []byte `json:"key"`
		Value    []byte `json:"value"`
		Revision int64  `json:"mod_revision,string"`
	}
	storedHeader struct {
		Revision int64 `json:"revision,string"`
	}
	storedRange struct {
		Header storedHeader  `json:"header"`
		Values []storedValue `json:"kvs"`
	}
	storedEvent struct {
		Type  string      `json:"type"` // "DELETE" or empty
		Value storedValue `json:"kv"`
	}
	storedWatch struct {
		Result struct {
			Canceled bool          `json:"canceled"`
			Reason   string        `json:"cancel_reason"`
			Events   []storedEvent `json:"events"`
		} `json:"result"`
		Error json.RawMessage `json:"error"`
	}
)

// observe starts an observer, which ends with the context.
func observe(ctx context.Context, url string) (*observer, error) {
	o := &observer{url: url, stands: contents{}, changed: make(chan struct{})}
	var found storedRange
	if err := o.call(ctx, "/v3/kv/range", storedKey{Key: []byte(configMapPrefix), RangeEnd: endOf(configMapPrefix)}, &found); err != nil {
		return nil, err
	}
	for i := range found.Values {
		v, err := versionOf(&storedEvent{Value: found.Values[i]})
		if err != nil {
			return nil, err
		}
		if v != nil {
			o.stands[v.key] = v.data
		}
	}
	o.revision = found.Header.Revision
	go o.follow(ctx)
	return o, nil
}

// endOf returns the first key after all keys with the prefix, which ends in a slash.
func endOf(prefix string) []byte { return []byte(strings.TrimSuffix(prefix, "/") + "0") }

func (o *observer) call(ctx context.Context, path string, message, answer any) error {
	body, err := o.post(ctx, path, message)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(answer); err != nil {
		return fmt.Errorf("ask the store: %w", err)
	}
	return nil
}

func (o *observer) post(ctx context.Context, path string, message any) (io.ReadCloser, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the store: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("ask the store: %s", response.Status), response.Body.Close())
	}
	return response.Body, nil
}

// follow watches, and resumes after a broken connection.
func (o *observer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := o.watch(ctx)
		if errors.Is(err, errUnreadable) {
			o.mu.Lock()
			o.failed = err
			o.mu.Unlock()
			return
		}
		_ = pause(ctx, pollInterval)
	}
}

var errUnreadable = errors.New("the store sent what cannot be read")

func (o *observer) watch(ctx context.Context) error {
	o.mu.Lock()
	from := o.revision + 1
	o.mu.Unlock()
	// It watches all keys, so that every revision is visible and shows the progress of the watch.
	body, err := o.post(ctx, "/v3/watch", map[string]storedKey{"create_request": {Key: []byte{0}, RangeEnd: []byte{0}, Revision: from}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	decoder := json.NewDecoder(body)
	for {
		var message storedWatch
		if err := decoder.Decode(&message); err != nil {
			return err
		}
		if message.Result.Canceled || message.Error != nil {
			return fmt.Errorf("%w: %s%s", errUnreadable, message.Result.Reason, message.Error)
		}
		if err := o.take(message.Result.Events); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
	}
}

func (o *observer) take(events []storedEvent) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range events {
		e := &events[i]
		o.revision = e.Value.Revision
		if strings.HasPrefix(string(e.Value.Key), kindsPrefix) {
			o.writes++
			continue
		}
		v, err := versionOf(e)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		o.writes++
		o.versions = append(o.versions, *v)
		if v.data == nil {
			delete(o.stands, v.key)
		} else {
			o.stands[v.key] = v.data
		}
	}
	close(o.changed)
	o.changed = make(chan struct{})
	return nil
}

// versionOf returns nil if the event is not about a published ConfigMap.
func versionOf(e *storedEvent) (*version, error) {
	path, ok := strings.CutPrefix(string(e.Value.Key), configMapPrefix)
	if !ok {
		return nil, nil
	}
	namespace, name, _ := strings.Cut(path, "/")
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if kind, _, _ := publish.ParseName(name); kind == "" {
		return nil, nil
	}
	v := &version{key: key, revision: e.Value.Revision}
	if e.Type == "DELETE" {
		return v, nil
	}
	object, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(e.Value.Value, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s: %w", key, err)
	}
	cm, ok := object.(*corev1.ConfigMap)
	if !ok {
		return nil, fmt.Errorf("ConfigMap %s is a %T", key, object)
	}
	if v.data = cm.Data; v.data == nil {
		v.data = map[string]string{}
	}
	return v, nil
}

// written returns the number of writes, and a channel that is closed when there are more.
func (o *observer) written() (int, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writes, o.changed
}

// awaitWrites waits until there have been that many writes in total.
func (o *observer) awaitWrites(ctx context.Context, count int) error {
	for {
		writes, changed := o.written()
		if writes >= count {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the %dth write, after %d: %w", count, writes, ctx.Err())
		}
	}
}

// mark starts a history with the current content.
func (o *observer) mark() contents {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.versions = nil
	stands := contents{}
	for key, data := range o.stands {
		stands[key] = data
	}
	return stands
}

// since returns the versions since mark, after waiting for everything that has been written by now.
func (o *observer) since(ctx context.Context) ([]version, error) {
	var now storedRange
	if err := o.call(ctx, "/v3/kv/range", storedKey{Key: []byte(configMapPrefix)}, &now); err != nil {
		return nil, err
	}
	for {
		o.mu.Lock()
		revision, changed, failed, versions := o.revision, o.changed, o.failed, slices.Clone(o.versions)
		o.mu.Unlock()
		switch {
		case failed != nil:
			return nil, failed
		case revision >= now.Header.Revision:
			return versions, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait until revision %d is seen, after %d: %w", now.Header.Revision, revision, ctx.Err())
		}
	}
}

// last returns the last version since mark, or nil.
func (o *observer) last() *version {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.versions) == 0 {
		return nil
	}
	last := o.versions[len(o.versions)-1]
	return &last
}
