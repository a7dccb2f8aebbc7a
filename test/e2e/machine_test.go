package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// The addresses of the cluster. Everything is on one bridge in a private network, so they are fixed. A node is one more
// address on the bridge, with its own containerd and kubelet.
const (
	bridge        = "cni0"
	planeAddress  = "10.88.0.1"
	podNetwork    = "10.88.0.0/16"
	firstPod      = "10.88.1.1"
	serviceRange  = "10.96.0.0/16"
	firstService  = "10.96.0.1"
	dnsService    = "10.96.0.10"
	apiServer     = "https://" + planeAddress + ":6443"
	readyTimeout  = 3 * time.Minute
	readyInterval = 100 * time.Millisecond
)

// nodes are the names of the nodes.
var nodes = []string{"n1", "n2"}

// nodeAddress returns the address of the node with this index.
func nodeAddress(i int) string { return "10.88.0." + strconv.Itoa(i+2) }

// machine runs the components of the cluster.
type machine struct {
	*kit

	pki      *authority
	commands map[string]*exec.Cmd
}

func (k *kit) kubeconfig(name string) string { return k.path(name + ".kubeconfig") }

// startMachine starts the control plane and the nodes, and waits until the nodes are ready.
func startMachine(ctx context.Context, k *kit) (*machine, error) {
	m := &machine{kit: k, commands: map[string]*exec.Cmd{}}
	for _, step := range []func(context.Context) error{m.network, m.identities, m.controlPlane, m.startNodes, m.proxy, m.nodesReady} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// command runs a program to its end.
func command(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (m *machine) network(ctx context.Context) error {
	steps := [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", bridge, "type", "bridge"},
		{"addr", "add", planeAddress + "/16", "dev", bridge},
		{"link", "set", bridge, "up"},
		// Components look for the address of the default route.
		{"route", "add", "default", "dev", bridge},
	}
	for i := range nodes {
		steps = append(steps, []string{"addr", "add", nodeAddress(i) + "/16", "dev", bridge})
	}
	for _, args := range steps {
		if err := command(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

func (m *machine) identities(context.Context) error {
	var err error
	if m.pki, err = newAuthority(m.path("pki")); err != nil {
		return err
	}
	err = errors.Join(
		m.pki.issue("apiserver", "", "kube-apiserver", planeAddress, "127.0.0.1", firstService,
			"kubernetes", "kubernetes.default.svc", "localhost"),
		m.pki.issue("kubelet-client", "system:masters", "kube-apiserver-kubelet-client"),
		m.pki.issue("service-accounts", "", "service-accounts"),
	)
	users := map[string][2]string{
		"admin":              {"system:masters", "admin"},
		"controller-manager": {"", "system:kube-controller-manager"},
		"scheduler":          {"", "system:kube-scheduler"},
		"proxy":              {"", "system:kube-proxy"},
	}
	for name, user := range users {
		err = errors.Join(err, m.pki.issue(name, user[0], user[1]), m.pki.kubeconfig(m.kubeconfig(name), name, apiServer))
	}
	for i, node := range nodes {
		err = errors.Join(err, m.pki.issue(node, "system:nodes", "system:node:"+node, nodeAddress(i), node),
			m.pki.kubeconfig(m.kubeconfig(node), node, apiServer))
	}
	return err
}

// start starts a component. Its log is in the directory log.
func (m *machine) start(name, program string, args ...string) error {
	if err := os.MkdirAll(m.path("log"), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(m.path("log", name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "PATH="+m.Nodes+":"+os.Getenv("PATH"))
	cmd.Dir = m.Dir
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	m.commands[name] = cmd
	go func() { _ = cmd.Wait() }()
	return nil
}

// until waits for a condition.
func until(ctx context.Context, what string, condition func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		last = condition(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s: %w", what, errors.Join(err, last))
	}
	return nil
}

func (m *machine) controlPlane(ctx context.Context) error {
	certificate := func(flag, name string) []string {
		return []string{"--" + flag + "cert-file=" + m.pki.file(name+".crt"), "--" + flag + "private-key-file=" + m.pki.file(name+".key")}
	}
	server := append([]string{
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0", "--advertise-address=" + planeAddress, "--secure-port=6443",
		"--service-cluster-ip-range=" + serviceRange, "--client-ca-file=" + m.pki.file("ca.crt"),
		"--kubelet-client-certificate=" + m.pki.file("kubelet-client.crt"), "--kubelet-client-key=" + m.pki.file("kubelet-client.key"),
		"--kubelet-certificate-authority=" + m.pki.file("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file=" + m.pki.file("service-accounts.pub"),
		"--service-account-signing-key-file=" + m.pki.file("service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
		"--profiling=false",
	}, certificate("tls-", "apiserver")...)
	if err := errors.Join(
		m.start("etcd", m.ControlPlane+"/etcd", "--data-dir="+m.path("etcd"), "--unsafe-no-fsync", "--log-level=warn"),
		m.start("kube-apiserver", m.ControlPlane+"/kube-apiserver", server...),
	); err != nil {
		return err
	}
	err := until(ctx, "kube-apiserver is ready", func(ctx context.Context) error {
		_, err := m.kubectl(ctx, "get", "--raw=/readyz")
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(
		m.start("kube-controller-manager", m.Nodes+"/kube-controller-manager", "--kubeconfig="+m.kubeconfig("controller-manager"),
			"--use-service-account-credentials", "--service-account-private-key-file="+m.pki.file("service-accounts.key"),
			"--root-ca-file="+m.pki.file("ca.crt"), "--leader-elect=false", "--bind-address=127.0.0.1",
			"--cert-dir="+m.path("controller-manager"), "--authentication-skip-lookup", "--controllers=*,-node-ipam-controller"),
		m.start("kube-scheduler", m.Nodes+"/kube-scheduler", "--kubeconfig="+m.kubeconfig("scheduler"), "--leader-elect=false",
			"--bind-address=127.0.0.1", "--cert-dir="+m.path("scheduler"), "--authentication-skip-lookup"),
	)
}

const networkConfig = `{"cniVersion": "1.0.0", "name": "e2e", "plugins": [{"type": "bridge", "bridge": "{{.Bridge}}",
"isGateway": false, "ipMasq": false, "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "{{.Dir}}/ipam",
"ranges": [[{"subnet": "{{.PodNetwork}}", "rangeStart": "{{.FirstPod}}", "gateway": "{{.Gateway}}"}]],
"routes": [{"dst": "0.0.0.0/0"}]}}]}
`

// containerdConfig restricts the scores of the out-of-memory killer: where root lacks CAP_SYS_RESOURCE, as in many
// containers, nothing gets a lower score than its parent. The plugin "opt" would make directories in /opt.
const containerdConfig = `version = 3
root = "{{.Dir}}/{{.Node}}/containerd"
state = "/run/{{.Node}}/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/{{.Node}}/containerd.sock"
[ttrpc]
  address = "/run/{{.Node}}/containerd.sock.ttrpc"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{{.Pause}}"
[plugins.'io.containerd.cri.v1.runtime']
  enable_selinux = false
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{{.Nodes}}"]
    conf_dir = "{{.Dir}}/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {{.Address}}
port: 10250
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: {{.Dir}}/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: {{.Dir}}/pki/{{.Node}}.crt
tlsPrivateKeyFile: {{.Dir}}/pki/{{.Node}}.key
cgroupDriver: cgroupfs
cgroupRoot: /{{.Cgroup}}/{{.Node}}
cgroupsPerQOS: true
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/{{.Node}}/containerd.sock
podLogsDir: /var/log/pods-{{.Node}}
resolvConf: ""
clusterDNS: [{{.DNS}}]
clusterDomain: cluster.local
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
registerNode: true
`

const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: {{.Dir}}/proxy.kubeconfig}
clusterCIDR: {{.PodNetwork}}
bindAddress: 127.0.0.1
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: [127.0.0.0/8]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`

// write writes a file from a template.
func (m *machine) write(path, text, node, address string) error {
	parsed, err := template.New(filepath.Base(path)).Parse(text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = parsed.Execute(file, map[string]string{
		"Dir": m.Dir, "Nodes": m.Nodes, "Cgroup": m.Cgroup, "Node": node, "Address": address, "Pause": pauseImage, "Bridge": bridge,
		"PodNetwork": podNetwork, "FirstPod": firstPod, "Gateway": planeAddress, "DNS": dnsService,
	})
	return errors.Join(err, file.Close())
}

func (m *machine) startNodes(ctx context.Context) error {
	if err := m.write(m.path("cni", "10-e2e.conflist"), networkConfig, "", ""); err != nil {
		return err
	}
	for i := range nodes {
		if err := m.startNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) startNode(ctx context.Context, i int) error {
	node, address := nodes[i], nodeAddress(i)
	if err := errors.Join(
		m.makeCgroups(node),
		os.MkdirAll(m.path(node, "kubelet"), 0o755), os.MkdirAll("/run/"+node, 0o755), os.MkdirAll("/var/log/pods-"+node, 0o755),
		m.write(m.path(node, "containerd.toml"), containerdConfig, node, address),
		m.write(m.path(node, "kubelet.yaml"), kubeletConfig, node, address),
		m.start("containerd-"+node, m.Nodes+"/containerd", "--config="+m.path(node, "containerd.toml")),
	); err != nil {
		return err
	}
	ctr := func(ctx context.Context, args ...string) error {
		return command(ctx, m.Nodes+"/ctr", append([]string{"--address=/run/" + node + "/containerd.sock", "--namespace=k8s.io"}, args...)...)
	}
	if err := until(ctx, "containerd of "+node+" answers", func(ctx context.Context) error { return ctr(ctx, "version") }); err != nil {
		return err
	}
	for _, image := range []string{usherImage, nextImage, workloadImage, shellImage, pauseImage} {
		if err := ctr(ctx, "images", "import", m.archive(image)); err != nil {
			return fmt.Errorf("import the image %s: %w", image, err)
		}
	}
	return m.start("kubelet-"+node, m.Nodes+"/kubelet", "--config="+m.path(node, "kubelet.yaml"), "--kubeconfig="+m.kubeconfig(node),
		"--root-dir="+m.path(node, "kubelet"), "--volume-plugin-dir="+m.path(node, "plugins"), "--hostname-override="+node,
		"--node-ip="+address, "--node-labels=topology.kubernetes.io/zone=z"+strconv.Itoa(i+1))
}

// makeCgroups makes the parent of all cgroups of a node. Version 1 requires the processors and memory nodes of a cpuset
// before a process may join.
func (m *machine) makeCgroups(node string) error {
	for _, root := range hierarchies() {
		parent := root
		for _, name := range []string{m.Cgroup, node} {
			dir := filepath.Join(parent, name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make a cgroup for node %s: %w", node, err)
			}
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				value, err := os.ReadFile(filepath.Join(parent, file))
				if err != nil || !strings.Contains(filepath.Base(root), "cpuset") {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
					return fmt.Errorf("set %s of node %s: %w", file, node, err)
				}
			}
			parent = dir
		}
	}
	return nil
}

func (m *machine) proxy(context.Context) error {
	return errors.Join(
		m.write(m.path("proxy.yaml"), proxyConfig, "", ""),
		m.start("kube-proxy", m.Nodes+"/kube-proxy", "--config="+m.path("proxy.yaml"), "--hostname-override="+nodes[0]),
	)
}

func (m *machine) nodesReady(ctx context.Context) error {
	return until(ctx, "the nodes are ready", func(ctx context.Context) error {
		args := []string{"wait", "--for=condition=Ready", "--timeout=1s"}
		for _, node := range nodes {
			args = append(args, "node/"+node)
		}
		_, err := m.kubectl(ctx, args...)
		return err
	})
}

// kubectl runs kubectl as the administrator and returns its output.
func (k *kit) kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.ControlPlane+"/kubectl",
		append([]string{"--kubeconfig=" + k.kubeconfig("admin"), "--cache-dir=" + k.path("kubectl-cache")}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
