package decision

import (
	"io"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// Contact knows when the API server was last heard of: when it last sent something in answer to a list or watch of each
// kind. A watch shows a bookmark about once a minute where no object changes.
type Contact struct {
	now func() time.Time

	mu    sync.Mutex
	heard map[string]time.Time // by resource
}

// NewContact returns a contact with watches of the resources, none of which has shown anything yet.
func NewContact(now func() time.Time, resources ...string) *Contact {
	c := &Contact{now: now, heard: map[string]time.Time{}}
	for _, each := range resources {
		c.heard[each] = time.Time{}
	}
	return c
}

// Last returns when the kind was last heard of that was heard of least recently. It is zero while one has not been.
func (c *Contact) Last() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Time
	for _, each := range c.heard {
		all = append(all, each)
	}
	return slices.MinFunc(all, time.Time.Compare)
}

// Wrap returns a transport that notes what the API server sends.
func (c *Contact) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		resource := path.Base(request.URL.Path)
		if err == nil && response.StatusCode == http.StatusOK && request.Method == http.MethodGet && c.watches(resource) {
			c.note(resource)
			response.Body = &heardBody{ReadCloser: response.Body, note: func() { c.note(resource) }}
		}
		return response, err
	})
}

func (c *Contact) watches(resource string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, found := c.heard[resource]
	return found
}

func (c *Contact) note(resource string) {
	at := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[resource] = at
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// heardBody notes whenever a part of it arrives.
type heardBody struct {
	io.ReadCloser

	note func()
}

// Read reads from the body.
func (b *heardBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if n > 0 {
		b.note()
	}
	return n, err
}
