package decision

import (
	"io"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// Contact records when the API server last sent data in response to a list or watch, for each resource. A watch
// sends a bookmark about once a minute if no object changes.
type Contact struct {
	now func() time.Time

	mu    sync.Mutex
	heard map[string]time.Time // by resource
}

// NewContact returns a Contact for watches of the resources, without any recorded data.
func NewContact(now func() time.Time, resources ...string) *Contact {
	c := &Contact{now: now, heard: map[string]time.Time{}}
	for _, each := range resources {
		c.heard[each] = time.Time{}
	}
	return c
}

// Last returns the oldest of the times at which data for each resource last arrived. It is zero until every
// resource has received data.
func (c *Contact) Last() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Time
	for _, each := range c.heard {
		all = append(all, each)
	}
	return slices.MinFunc(all, time.Time.Compare)
}

// Wrap returns a transport that records when the API server sends data.
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

// heardBody records whenever a part of the body arrives.
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
