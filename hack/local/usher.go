package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usher-dev/usher/test/cluster"
)

// managerArgs make every namespace an organization and remove ended documents while a person watches.
var managerArgs = []string{
	"--organization-selector=",
	"--document-grace=3s",
	"--leader-elect=false",
}

func startCluster(ctx context.Context, options cluster.Options, steps *steps) (*cluster.Cluster, error) {
	steps.say("starting the control plane")
	options.Progress = steps
	return cluster.Start(ctx, options)
}

// startUsher installs Usher and starts its manager.
func startUsher(
	ctx context.Context, c *cluster.Cluster, manifests string, options cluster.ManagerOptions, steps *steps,
) (*cluster.Manager, error) {
	if err := install(ctx, c, manifests, steps); err != nil {
		return nil, err
	}
	steps.say("building and starting the manager")
	options.Args = slices.Concat(managerArgs, cluster.CertificateArgs)
	options.Webhooks = true
	return c.StartManager(ctx, options)
}

// install installs the given file, or config/local by default.
func install(ctx context.Context, c *cluster.Cluster, manifests string, steps *steps) error {
	if manifests != "" {
		steps.say("installing Usher from %s", manifests)
		if err := c.InstallManifests(ctx, manifests); err != nil {
			return err
		}
		return errors.Join(c.InstallPDP(ctx), c.InstallSCIM(ctx))
	}
	steps.say("installing Usher")
	if err := c.Install(ctx); err != nil {
		return err
	}
	// Before the manager looks for the Secrets of the certificates.
	if err := errors.Join(c.InstallPDP(ctx), c.InstallSCIM(ctx)); err != nil {
		return err
	}
	return c.InstallWebhooks(ctx)
}

// applySamples applies a kustomize directory and waits until all of Usher's objects in it are Ready. It returns the
// organizations that have such objects.
func applySamples(
	ctx context.Context, c *cluster.Cluster, samples string, alive func() error, steps *steps,
) (organizations []string, err error) {
	if samples == "" {
		return nil, nil
	}
	steps.say("applying %s", samples)
	applied, err := c.ApplyKustomization(ctx, samples)
	if err != nil {
		return nil, fmt.Errorf("apply the samples: %w", err)
	}
	wanted := keysOf(applied)
	what := fmt.Sprintf("%d sample objects are Ready", len(wanted))
	return wanted.organizations(), waitReady(ctx, c.Config(), what, wanted.missing, alive, steps)
}
