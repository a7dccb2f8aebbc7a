package document

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// UserFollower answers questions from the user document in a mounted directory and follows its changes. It is safe for
// concurrent use and answers without an allocation.
type UserFollower struct {
	follower follower[*access]
	answers  atomic.Pointer[userAnswers]
}

// access is a compiled user document. It is immutable.
type access struct {
	document       *User
	defaultFilters Filters
	applications   map[string]*applicationEntry
}

// applicationEntry is the entry of one application.
type applicationEntry struct {
	role        string
	permissions map[string]struct{}
	filters     Filters
	notAfter    time.Time
}

// userAnswers is the document and until when it is used; zero means without end.
type userAnswers struct {
	access *access
	until  time.Time
	stats  Stats
}

// noDocument is used if there is no document.
var noDocument = newAccess(&User{DefaultRole: NoAccess, OrganizationRole: NoAccess})

// FollowUser follows the document of one user. A document of another user or of another kind is an error, and so are
// two documents of the same user. Everything else is as for [FollowApplication].
func FollowUser(ctx context.Context, user string, options Options) (*UserFollower, error) {
	if user == "" {
		return nil, errors.New("no user to follow")
	}
	if err := options.complete(); err != nil {
		return nil, err
	}
	f := &UserFollower{}
	f.follower = follower[*access]{
		options:   options,
		compile:   compileAccess(user, options.Organization),
		conflicts: oneDocument,
		publish:   f.publish,
	}
	f.follower.start(ctx)
	return f, nil
}

// OrganizationRole returns the user's role in the organization, or NoAccess if there is none.
func (f *UserFollower) OrganizationRole() string {
	a, now := f.load()
	if passed(a.document.NotAfter, now) {
		return NoAccess
	}
	return a.document.OrganizationRole
}

// DefaultRole returns the role in applications that are not in the document, or NoAccess if there is none.
func (f *UserFollower) DefaultRole() string {
	a, now := f.load()
	return a.defaultRole(now)
}

// DefaultFilters returns the filters of rows in applications that are not in the document: nil for every row, [Nothing]
// if the default role gives no access.
func (f *UserFollower) DefaultFilters() Filters {
	a, now := f.load()
	return a.defaultRows(now)
}

// Role returns the user's role in an application, or NoAccess if there is none.
func (f *UserFollower) Role(application string) string {
	a, now := f.load()
	entry, ok := a.applications[application]
	switch {
	case !ok:
		return a.defaultRole(now)
	case passed(entry.notAfter, now):
		return NoAccess
	default:
		return entry.role
	}
}

// Can reports whether the user's role in an application has the permission. It returns false for an application that is
// not in the document, because only the name of the default role is published.
func (f *UserFollower) Can(application, permission string) bool {
	a, now := f.load()
	entry, ok := a.applications[application]
	if !ok || entry.role == NoAccess || passed(entry.notAfter, now) {
		return false
	}
	_, ok = entry.permissions[permission]
	return ok
}

// Filters returns the filters of the rows that the user sees in an application: nil for every row, [Nothing] for no
// access.
func (f *UserFollower) Filters(application string) Filters {
	a, now := f.load()
	entry, ok := a.applications[application]
	switch {
	case !ok:
		return a.defaultRows(now)
	case entry.role == NoAccess || passed(entry.notAfter, now):
		return nothing
	default:
		return entry.filters
	}
}

// Stats returns statistics for metrics.
func (f *UserFollower) Stats() Stats { return f.answers.Load().stats }

// Close stops following and waits until that is done. The last answers remain valid for the grace period, so that
// running requests can end. After that, nobody has access.
func (f *UserFollower) Close() { f.follower.close() }

// load returns the document that is used for answers now.
func (f *UserFollower) load() (*access, time.Time) {
	now := f.follower.options.Now()
	a := f.answers.Load()
	if passed(a.until, now) {
		return noDocument, now
	}
	return a.access, now
}

func (f *UserFollower) publish(time.Time) []Event {
	a := &userAnswers{access: noDocument, until: f.follower.until, stats: f.follower.stats}
	for _, path := range slices.Sorted(maps.Keys(f.follower.files)) {
		file := f.follower.files[path]
		if !file.has {
			continue
		}
		if a.access != noDocument { // choosing one of two good ones would be a guess
			a.access = noDocument
			break
		}
		a.access = file.good
		if !file.until.IsZero() && (a.until.IsZero() || file.until.Before(a.until)) {
			a.until = file.until
		}
	}
	f.answers.Store(a)
	return nil
}

func (a *access) defaultRole(now time.Time) string {
	if passed(a.document.NotAfter, now) {
		return NoAccess
	}
	return a.document.DefaultRole
}

func (a *access) defaultRows(now time.Time) Filters {
	if a.defaultRole(now) == NoAccess {
		return nothing
	}
	return a.defaultFilters
}

// passed reports whether the instant has passed. A zero instant never passes.
func passed(notAfter, now time.Time) bool { return !notAfter.IsZero() && !now.Before(notAfter) }

// compileAccess returns a compiler of documents of one user.
func compileAccess(user, organization string) func([]byte) (*access, error) {
	return func(data []byte) (*access, error) {
		documents, err := Parse(data)
		if err != nil {
			return nil, err
		}
		if len(documents.Users) != 1 {
			return nil, wrong("kind", documents.kind(), KindUser)
		}
		d := &documents.Users[0]
		switch {
		case d.User != user:
			return nil, wrong("user", d.User, user)
		case organization != "" && d.Organization != organization:
			return nil, wrong("organization", d.Organization, organization)
		}
		return newAccess(d), nil
	}
}

func newAccess(d *User) *access {
	a := &access{
		document: d, defaultFilters: pick(d.Filters, d.DefaultFilters),
		applications: make(map[string]*applicationEntry, len(d.Applications)),
	}
	for name, entry := range d.Applications {
		compiled := &applicationEntry{
			role: entry.Role, permissions: map[string]struct{}{}, filters: pick(d.Filters, entry.Filters), notAfter: entry.NotAfter,
		}
		for _, permission := range entry.Permissions {
			compiled.permissions[permission] = struct{}{}
		}
		a.applications[name] = compiled
	}
	return a
}

// oneDocument returns an error for each document if there are several.
func oneDocument(candidates map[string]*access) map[string]string {
	if len(candidates) < 2 {
		return nil
	}
	paths := strings.Join(slices.Sorted(maps.Keys(candidates)), ", ")
	reasons := map[string]string{}
	for path := range candidates {
		reasons[path] = "several documents of one user: " + paths
	}
	return reasons
}
