package publish_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
)

var permissions = []string{"administer", "manage-rules", "edit", "view", "nothing", ""}

// TestDocumentReadersAgreeWithTheRules compares the answers of the readers of both documents with those of the
// rules, now and at later instants without a new publication.
func TestDocumentReadersAgreeWithTheRules(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(30) {
		w := &randomWorld{random: rand.New(rand.NewPCG(seed, 23)), valueBytes: 4}
		o := []*resolve.Organization{organization(), restrictive()}[seed%2]
		decisions := w.decisions(o, 20)
		var now atomic.Pointer[time.Time]
		now.Store(&june)
		options := document.Options{
			Directories: []string{applicationFiles(t, o, decisions)}, Now: func() time.Time { return *now.Load() },
		}
		application, err := document.FollowApplication(t.Context(), "finance", options)
		if err != nil {
			t.Fatal(err)
		}
		for user, d := range decisions {
			options.Directories = []string{userFiles(t, o, user, d)}
			own, err := document.FollowUser(t.Context(), user, options)
			if err != nil {
				t.Fatal(err)
			}
			for _, years := range []int{0, 3, 10, 20, 40} {
				now.Store(new(june.AddDate(years, 0, 0)))
				for _, permission := range permissions {
					want := o.Can(d, resolve.Question{Application: "finance", Permission: permission}, *now.Load()).Allowed
					if got := application.Can(user, permission); got != want {
						t.Errorf("seed %d: %s, %q after %d years: Can says %t, the application document %t", seed, user, permission, years, want, got)
					}
					if got := own.Can("finance", permission); got != want {
						t.Errorf("seed %d: %s, %q after %d years: Can says %t, the user document %t", seed, user, permission, years, want, got)
					}
					if want {
						allowed++
					} else {
						denied++
					}
				}
			}
			own.Close()
		}
		now.Store(&june)
		for _, permission := range permissions {
			if a := o.Can(nil, resolve.Question{Application: "finance", Permission: permission}, june); a.Allowed || application.Can("who", permission) {
				t.Errorf("nobody may %q", permission)
			}
		}
		application.Close()
	}
	if allowed == 0 || denied == 0 {
		t.Errorf("%d answers are yes, %d no", allowed, denied)
	}
}

func applicationFiles(t *testing.T, o *resolve.Organization, decisions map[string]*resolve.Decision) string {
	t.Helper()
	dir := t.TempDir()
	rendered := publish.Application(o, "finance", 2, each(decisions))
	for n := range rendered.Shards {
		writeDocument(t, filepath.Join(dir, fmt.Sprint(n)), rendered.Data(n))
	}
	return dir
}

func userFiles(t *testing.T, o *resolve.Organization, user string, d *resolve.Decision) string {
	t.Helper()
	dir := t.TempDir()
	data, _ := publish.FitUserData(publish.User(o, user, d, []string{"finance", "sales"}))
	writeDocument(t, dir, data)
	return dir
}

func writeDocument(t *testing.T, dir string, data map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, document.AccessKey), []byte(data[document.AccessKey]), 0o600); err != nil {
		t.Fatal(err)
	}
}
