package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	demoOrganization = "analytics"
	demoApplication  = "finance"
	documentKey      = "access.json"
)

// demo shows on its own cluster what Usher makes of the samples. It needs only an API server, because none of it waits
// for a controller of Kubernetes.
func demo(ctx context.Context, samples string, out io.Writer, steps *steps) (err error) {
	c, err := startCluster(ctx, cluster.Options{APIOnly: true}, steps)
	if err != nil {
		return err
	}
	defer func() {
		steps.say("ending everything")
		err = errors.Join(err, c.Stop())
	}()
	manager, err := startUsher(ctx, c, "", cluster.ManagerOptions{}, steps)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w\nthe end of the manager's log:\n%s", err, manager.LogTail()), manager.Kill())
			return
		}
		err = manager.Stop()
	}()
	alive := func() error {
		select {
		case <-manager.Done():
			return errors.New("the manager ended")
		default:
			return nil
		}
	}
	if _, err := applySamples(ctx, c, samples, alive, steps); err != nil {
		return err
	}
	if samples == "" {
		steps.say("nothing to show without samples")
		return nil
	}
	if err := waitReady(ctx, c.Config(), "every user is resolved", everyUser, alive, steps); err != nil {
		return err
	}
	return errors.Join(show(ctx, c, out), ask(ctx, c, out, steps))
}

// show prints the roles of all users, a document, and commands to try next.
func show(ctx context.Context, c *cluster.Cluster, out io.Writer) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register the kinds: %w", err)
	}
	reader, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	var users v1alpha1.UserAccessList
	if err := reader.List(ctx, &users); err != nil {
		return fmt.Errorf("list the users: %w", err)
	}
	var text bytes.Buffer
	if err := writeMatrices(&text, users.Items); err != nil {
		return err
	}
	var document corev1.ConfigMap
	key := client.ObjectKey{Namespace: demoOrganization, Name: "application-access-" + demoApplication}
	if err := reader.Get(ctx, key, &document); err != nil {
		return fmt.Errorf("get the document of %s: %w", demoApplication, err)
	}
	fmt.Fprintf(&text, "\nWhat the application %s of %s reads (ConfigMap %s, key %s):\n\n",
		demoApplication, demoOrganization, key.Name, documentKey)
	if err := writePretty(&text, []byte(document.Data[documentKey])); err != nil {
		return fmt.Errorf("read the document of %s: %w", demoApplication, err)
	}
	text.WriteString(`
To try it yourself:

  make up      the same in the background, with a kubectl to change things with
  make down    ends it

`)
	_, err = text.WriteTo(out)
	return err
}
