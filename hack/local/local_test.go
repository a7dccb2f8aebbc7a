package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

func TestMatrices(t *testing.T) {
	user := func(namespace, name string, status v1alpha1.UserAccessStatus) v1alpha1.UserAccess {
		return v1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
			Spec:       v1alpha1.UserAccessSpec{User: v1alpha1.UserName(name)},
			Status:     status,
		}
	}
	users := []v1alpha1.UserAccess{
		user("beta", "carol", v1alpha1.UserAccessStatus{OrganizationRole: "NoAccess", DefaultRole: "NoAccess"}),
		user("acme", "bob", v1alpha1.UserAccessStatus{
			OrganizationRole: "Viewer", DefaultRole: "Viewer", ApplicationCount: 2,
			Applications: []v1alpha1.EffectiveRole{{Name: "hr", Role: "Editor", Rule: "SpecificApplication"}},
		}),
		user("acme", "alice", v1alpha1.UserAccessStatus{
			OrganizationRole: "Administrator", DefaultRole: "NoAccess", ApplicationCount: 1,
			Applications: []v1alpha1.EffectiveRole{{Name: "finance", Role: "Viewer", Rule: "OnlyGrant"}},
		}),
		user("acme", "duplicate", v1alpha1.UserAccessStatus{}),
	}
	before := user("acme", "alice", v1alpha1.UserAccessStatus{OrganizationRole: "Viewer"})
	before.Name = identity.Name(string(before.Spec.User))
	before.Labels = map[string]string{v1alpha1.LabelMaterialized: v1alpha1.ValueTrue}
	users = append(users, before)
	var got bytes.Buffer
	if err := writeMatrices(&got, users); err != nil {
		t.Fatal(err)
	}
	want := `
Organization acme

USER    ORGANIZATION    FINANCE                       HR                             OTHER APPLICATIONS
alice   Administrator   Viewer (OnlyGrant)            NoAccess                       NoAccess
bob     Viewer          (past the end of the status)  Editor (SpecificApplication)   Viewer

Organization beta

USER    ORGANIZATION   OTHER APPLICATIONS
carol   NoAccess       NoAccess
`
	fields := func(text string) [][]string {
		var lines [][]string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.Fields(line))
		}
		return lines
	}
	if diff := cmp.Diff(fields(want), fields(got.String())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPretty(t *testing.T) {
	long := strings.Repeat("x", prettyWidth)
	for name, tc := range map[string]struct{ document, want string }{
		"fits": {document: `{"a": [1, 2]}`, want: `{"a":[1,2]}`},
		"objects": {
			document: `{"b":"` + long + `","a":{"c":1}}`,
			want:     "{\n  \"a\": {\"c\":1},\n  \"b\": \"" + long + "\"\n}",
		},
		"lists": {
			document: `[["` + long + `"],1]`,
			want:     "[\n  [\n    \"" + long + "\"\n  ],\n  1\n]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := writePretty(&got, []byte(tc.document)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want+"\n", got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if err := writePretty(io.Discard, []byte("{")); err == nil {
		t.Error("half a document was written")
	}
}

func TestKeysOf(t *testing.T) {
	applied := []unstructured.Unstructured{
		{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "acme"}}},
		{Object: map[string]any{
			"apiVersion": "access.usher.dev/v1alpha1", "kind": "AccessGroup",
			"metadata": map[string]any{"namespace": "acme", "name": "france"},
		}},
	}
	want := objectKeys{{kind: "AccessGroup", namespace: "acme", name: "france"}}
	if diff := cmp.Diff(want, keysOf(applied), cmp.AllowUnexported(objectKey{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMissing(t *testing.T) {
	ready := objectKey{kind: "AccessGroup", namespace: "acme", name: "ready"}
	waiting := objectKey{kind: "UserAccess", namespace: "acme", name: "waiting"}
	absent := objectKey{kind: "AccessGroup", namespace: "acme", name: "absent"}
	reasons := map[objectKey]string{ready: "", waiting: "Publishing"}

	want := []string{"AccessGroup acme/absent does not exist", "UserAccess acme/waiting Publishing"}
	if diff := cmp.Diff(want, objectKeys{waiting, ready, absent}.missing(reasons)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], everyUser(reasons)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUnreadyReason(t *testing.T) {
	object := func(generation, observed int64, status, reason string) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"generation": generation},
			"status": map[string]any{"conditions": []any{map[string]any{
				"type": "Ready", "status": status, "reason": reason, "message": "why", "observedGeneration": observed,
			}}},
		}
	}
	for name, tc := range map[string]struct {
		object map[string]any
		want   string
	}{
		"untouched": {object: map[string]any{}, want: "has no Ready condition yet"},
		"edited":    {object: object(2, 1, "True", "Published"), want: "has a Ready condition of an earlier generation"},
		"waiting":   {object: object(1, 1, "False", "Publishing"), want: "Publishing why"},
		"ready":     {object: object(1, 1, "True", "Published"), want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := unreadyReason(unstructured.Unstructured{Object: tc.object})
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestBackgroundEndsOnlyItsOwnProcess(t *testing.T) {
	const mark = "usher-background-test"
	cmd := exec.Command("sh", "-c", "read -r line", mark)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() { _ = stdin.Close() })

	file := filepath.Join(t.TempDir(), "pid")
	ours := background{name: "test", pidFile: file, mark: mark}
	foreign := background{name: "test", pidFile: file, mark: mark + "-of-another"}
	if pid, err := ours.pid(t.Context()); pid != 0 || err != nil {
		t.Errorf("without a file: got %d, %v", pid, err)
	}
	if err := ours.write(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := foreign.end(t.Context(), newSteps(io.Discard)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("a process of somebody else was ended")
	default:
	}
	if pid, err := ours.pid(t.Context()); pid != cmd.Process.Pid || err != nil {
		t.Errorf("got %d, %v, want %d", pid, err, cmd.Process.Pid)
	}
	if err := ours.end(t.Context(), newSteps(io.Discard)); err != nil {
		t.Fatal(err)
	}
	<-ended

	if err := os.WriteFile(file, []byte(fmt.Sprintln("all")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.pid(t.Context()); err == nil {
		t.Error("what is not a number was read")
	}
}
