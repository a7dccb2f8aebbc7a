package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/usher-dev/usher/test/cluster"
)

// places are the paths that up uses.
type places struct {
	state, cluster, managerLog, pdpLog, scimLog string
	kubeconfig, kubectl, pdpFile, scimFile      string
	controlPlane, manager, pdp, scim            background
}

func newPlaces(root string) places {
	bin := filepath.Join(root, "bin")
	state := filepath.Join(bin, "local")
	clusterDir := filepath.Join(state, "cluster")
	return places{
		state:      state,
		cluster:    clusterDir,
		managerLog: filepath.Join(state, "manager.log"),
		kubeconfig: filepath.Join(bin, "kubeconfig"),
		pdpLog:     filepath.Join(state, "pdp.log"),
		kubectl:    filepath.Join(bin, "kubectl"),
		pdpFile:    filepath.Join(bin, "pdp.json"),
		scimLog:    filepath.Join(state, "scim.log"),
		scimFile:   filepath.Join(bin, "scim.json"),
		controlPlane: background{
			name:    "control plane",
			pidFile: filepath.Join(state, "controlplane.pid"),
			mark:    "--dir=" + clusterDir + " ",
		},
		manager: background{
			name:    "manager",
			pidFile: filepath.Join(state, "manager.pid"),
			mark:    "--kubeconfig=" + filepath.Join(clusterDir, "manager.kubeconfig"),
		},
		pdp: background{
			name:    "decision point",
			pidFile: filepath.Join(state, "pdp.pid"),
			mark:    "--kubeconfig=" + filepath.Join(clusterDir, "pdp.kubeconfig"),
		},
		scim: background{
			name:    "SCIM server",
			pidFile: filepath.Join(state, "scim.pid"),
			mark:    "--api-server-ca=" + filepath.Join(clusterDir, "api-server-ca.crt"),
		},
	}
}

func up(ctx context.Context, places places, manifests, samples string, out io.Writer, steps *steps) (err error) {
	running, err := places.controlPlane.pid(ctx)
	if err != nil {
		return err
	}
	var c *cluster.Cluster
	if running != 0 {
		steps.say("already up (process %d): applying again", running)
		if c, err = cluster.Attach(ctx, places.cluster); err != nil {
			return fmt.Errorf("%w; \"make down\" stops it", err)
		}
	} else {
		// A manager without its control plane, and files, may be left over.
		if err := down(ctx, places, steps); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, places.end(ctx, steps))
			}
		}()
		if c, err = places.startControlPlane(ctx, steps); err != nil {
			return err
		}
	}
	if err := places.ensureManager(ctx, c, manifests, steps); err != nil {
		return err
	}
	if err := places.ensurePDP(ctx, c, steps); err != nil {
		return err
	}
	if err := places.linkTools(c); err != nil {
		return err
	}
	organizations, err := applySamples(ctx, c, samples, func() error { return places.managerAlive(ctx) }, steps)
	if err != nil {
		return fmt.Errorf("%w\nthe manager's log is %s", err, places.managerLog)
	}
	if err := places.ensureSCIM(ctx, c, organizations, steps); err != nil {
		return err
	}
	steps.say("up")
	_, err = fmt.Fprint(out, places.whatNext(samples != ""))
	return err
}

func (p places) startControlPlane(ctx context.Context, steps *steps) (*cluster.Cluster, error) {
	if err := os.MkdirAll(p.state, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", p.state, err)
	}
	c, err := startCluster(ctx, cluster.Options{Dir: p.cluster, Detached: true}, steps)
	if err != nil {
		return nil, err
	}
	if err := p.controlPlane.write(c.PID()); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (p places) ensureManager(ctx context.Context, c *cluster.Cluster, manifests string, steps *steps) error {
	running, err := p.manager.pid(ctx)
	if err != nil {
		return err
	}
	if running != 0 {
		return install(ctx, c, manifests, steps)
	}
	manager, err := startUsher(ctx, c, manifests, cluster.ManagerOptions{LogFile: p.managerLog, Detached: true}, steps)
	if err != nil {
		return err
	}
	if err := p.manager.write(manager.PID()); err != nil {
		return errors.Join(err, manager.Kill())
	}
	return nil
}

// ensurePDP starts the decision point where it does not run, and writes how to ask it.
func (p places) ensurePDP(ctx context.Context, c *cluster.Cluster, steps *steps) error {
	running, err := p.pdp.pid(ctx)
	if err != nil || running != 0 {
		return err
	}
	started, to, err := startPDP(ctx, c, cluster.ServerOptions{LogFile: p.pdpLog, Detached: true}, steps)
	if err != nil {
		return err
	}
	if err := errors.Join(p.pdp.write(started.PID()), writeAccess(p.pdpFile, to)); err != nil {
		return errors.Join(err, started.Kill())
	}
	return nil
}

// ensureSCIM starts the SCIM server where it does not run, and writes how identity providers of the organizations reach it.
func (p places) ensureSCIM(ctx context.Context, c *cluster.Cluster, organizations []string, steps *steps) error {
	running, err := p.scim.pid(ctx)
	if err != nil || running != 0 {
		return err
	}
	started, to, err := startSCIM(ctx, c, organizations, cluster.ServerOptions{LogFile: p.scimLog, Detached: true}, steps)
	if err != nil {
		return err
	}
	if err := errors.Join(p.scim.write(started.PID()), writeAccess(p.scimFile, to)); err != nil {
		return errors.Join(err, started.Kill())
	}
	return nil
}

func (p places) managerAlive(ctx context.Context) error {
	running, err := p.manager.pid(ctx)
	if err == nil && running == 0 {
		err = errors.New("the manager ended")
	}
	return err
}

// linkTools puts a kubectl and its configuration into a directory that is easy to find.
func (p places) linkTools(c *cluster.Cluster) error {
	for link, target := range map[string]string{p.kubectl: c.KubectlPath(), p.kubeconfig: c.KubeconfigPath()} {
		if err := os.RemoveAll(link); err != nil {
			return fmt.Errorf("replace %s: %w", link, err)
		}
		if err := os.Symlink(target, link); err != nil {
			return fmt.Errorf("link %s: %w", link, err)
		}
	}
	return nil
}

func (p places) whatNext(samples bool) string {
	bin := filepath.Dir(p.kubeconfig)
	text := fmt.Sprintf(`
Usher runs. Its log is %s. To try it:

  export KUBECONFIG=%s PATH=%s:$PATH
  kubectl get usher --all-namespaces
  kubectl access ui
`, p.managerLog, p.kubeconfig, bin)
	if samples {
		text += fmt.Sprintf(`  kubectl get configmap application-access-%s --namespace=%s -o jsonpath='{.data.access\.json}'
`, demoApplication, demoOrganization)
	}
	return text + fmt.Sprintf(`
The decision point runs, too: %s has its address, its certificate authority, and a token
that may ask everything. So does the SCIM server: %s has its address, its certificate authority, and a
token for each organization.

"make down" ends it all.
`, p.pdpFile, p.scimFile)
}

// end stops all processes and keeps their logs. It has its own timeout, because it also runs after the user has
// interrupted up.
func (p places) end(ctx context.Context, steps *steps) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 6*endTimeout)
	defer cancel()
	return errors.Join(p.scim.end(ctx, steps), p.pdp.end(ctx, steps), p.manager.end(ctx, steps), p.controlPlane.end(ctx, steps))
}

func down(ctx context.Context, places places, steps *steps) error {
	began := time.Now()
	if err := places.end(ctx, steps); err != nil {
		return err
	}
	for _, path := range []string{places.state, places.kubeconfig, places.kubectl, places.pdpFile, places.scimFile} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	if time.Since(began) > time.Second {
		steps.say("all ended")
	}
	return nil
}
