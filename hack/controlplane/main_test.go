package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionFlags(t *testing.T) {
	const want = "-X k8s.io/component-base/version.gitVersion=v1.37.1" +
		" -X k8s.io/component-base/version.gitMajor=1" +
		" -X k8s.io/component-base/version.gitMinor=37" +
		" -X k8s.io/component-base/version.gitTreeState=clean"
	if got := versionFlags("v1.37.1"); got != want {
		t.Errorf("versionFlags:\n got %s\nwant %s", got, want)
	}
}

func TestVersionsComeFromGoMod(t *testing.T) {
	read, err := readVersions(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{kubernetesModule, etcdModule} {
		if !strings.HasPrefix(read[m], "v") {
			t.Errorf("version of %s: got %q", m, read[m])
		}
		if !strings.Contains(read.key(), read[m]) {
			t.Errorf("key %q does not tell %s apart", read.key(), m)
		}
	}
}

func TestStartRefusesStateOfAnother(t *testing.T) {
	dir := t.TempDir()
	if _, err := newLayout(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := newLayout(dir); err == nil || !strings.Contains(err.Error(), "another control plane") {
		t.Errorf("second start in one directory: got %v", err)
	}
}

func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := lock(ctx, path, cancel); err == nil {
		t.Error("two hold one lock")
	}
	unlock()
	again, err := lock(t.Context(), path, func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestUnknownCommand(t *testing.T) {
	for name, args := range map[string][]string{
		"none": nil, "unknown": {"stop"}, "start without a directory": {"start"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), args, strings.NewReader(""), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "usage:") {
				t.Errorf("got %v", err)
			}
		})
	}
}
