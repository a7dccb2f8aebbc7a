package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

const (
	// followed is the ConfigMap that the sidecar follows, with as many bytes as one ConfigMap of a document.
	followed      = "bench-follow"
	followedKey   = "access.json"
	followedBytes = 256 << 10
	follows       = 20
)

// following changes a ConfigMap that the sidecar follows. It measures from the request until the file has the new bytes.
// A bare client watches the ConfigMap and decodes the event at the same time.
func (b *bench) following(ctx context.Context) (err error) {
	l := b.lab
	b.say.printf("pdp: starting the sidecar")
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: followed}, Data: map[string]string{followedKey: text(0)},
	}
	if err := l.admin.Create(ctx, cm); err != nil {
		return fmt.Errorf("create the ConfigMap to follow: %w", err)
	}
	program, err := cluster.BuildProgram("usher", ".", "./cmd/usher") //nolint:contextcheck // a build is shared
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "usher-bench-follow")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sidecar, err := l.plane.StartProgram(ctx, program, nil, []string{
		"follow", "--kubeconfig=" + l.plane.KubeconfigPath(), "--namespace=" + organization, "--configmap=" + followed,
		"--directory=" + dir, "--health-probe-bind-address=0",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sidecar.Stop()) }()
	file := filepath.Join(dir, followed, followedKey)
	if _, err := fileWith(ctx, file, text(0)); err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, sidecar.LogTail())
	}
	seen, err := l.watchConfigMap(ctx, followed)
	if err != nil {
		return err
	}
	var files, events, memory []float64
	for run := range follows {
		if err := pause(ctx, breath); err != nil {
			return err
		}
		began := time.Now()
		cm.Data[followedKey] = text(run + 1)
		if err := l.admin.Update(ctx, cm); err != nil {
			return fmt.Errorf("change the followed ConfigMap: %w", err)
		}
		written, err := fileWith(ctx, file, text(run+1))
		if err != nil {
			return err
		}
		event, err := seen(ctx, cm.ResourceVersion)
		if err != nil {
			return err
		}
		resident, err := residentMemory(sidecar.PID())
		if err != nil {
			return err
		}
		files = append(files, milliseconds([]time.Duration{written.Sub(began)})...)
		events = append(events, milliseconds([]time.Duration{event.Sub(began)})...)
		memory = append(memory, resident)
	}
	b.report.add(
		newFigure(decisions, "usher follow: file", "ms", files...),
		newFigure(decisions, "usher follow, bare client: watch event", "ms", events...),
		newFigure(decisions, "usher follow, file against watch event", "x", pairRatios(files, events)...).atMost(followAim,
			"After the event, the bytes are written to a file of their own and compared with the present ones."),
		newFigure(decisions, "usher follow, resident memory", "MiB", slices.Max(memory)).atMost(followMemoryAim,
			"The program has the packages of every subcommand."),
	)
	return nil
}

// text returns the content of the followed ConfigMap, which differs in the first bytes.
func text(version int) string {
	return fmt.Sprintf("%08d%s", version, strings.Repeat("x", followedBytes))
}

// fileWith waits until the file has the text, and returns when. Only the first bytes differ between two texts.
func fileWith(ctx context.Context, path, text string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	start := make([]byte, 8)
	for {
		if file, err := os.Open(path); err == nil {
			_, err := file.Read(start)
			at := time.Now()
			if closed := file.Close(); err == nil && closed == nil && string(start) == text[:len(start)] {
				whole, err := os.ReadFile(path)
				if err == nil && string(whole) != text {
					err = errors.New("the file has other bytes than the ConfigMap")
				}
				return at, err
			}
		}
		if err := pause(ctx, pollInterval); err != nil {
			return time.Time{}, fmt.Errorf("the sidecar does not write %s: %w", path, err)
		}
	}
}

// watchConfigMap watches a ConfigMap. The returned function waits for the event of a version, and returns when it was
// decoded.
func (l *lab) watchConfigMap(ctx context.Context, name string) (func(ctx context.Context, version string) (time.Time, error), error) {
	events, err := l.admin.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(organization),
		client.MatchingFields{"metadata.name": name})
	if err != nil {
		return nil, fmt.Errorf("watch ConfigMap %s: %w", name, err)
	}
	type shown struct {
		version string
		at      time.Time
	}
	decoded := make(chan shown, follows+1)
	go func() {
		defer close(decoded)
		for e := range events.ResultChan() {
			if cm, ok := e.Object.(*corev1.ConfigMap); ok {
				decoded <- shown{cm.ResourceVersion, time.Now()}
			}
		}
	}()
	return func(ctx context.Context, version string) (time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, longest)
		defer cancel()
		for {
			select {
			case next, open := <-decoded:
				if !open {
					return time.Time{}, fmt.Errorf("the watch of ConfigMap %s ended", name)
				}
				if next.version == version {
					return next.at, nil
				}
			case <-ctx.Done():
				return time.Time{}, fmt.Errorf("the bare client does not see ConfigMap %s: %w", name, ctx.Err())
			}
		}
	}, nil
}
