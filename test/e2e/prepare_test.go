package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/usher-dev/usher/test/cluster"
)

// kit is what the tests find prepared.
type kit struct {
	Root         string // of the repository
	Dir          string // for state and logs
	ControlPlane string // the binaries of the control plane
	Nodes        string // the binaries of the nodes
	Cgroup       string // the parent of the nodes' cgroups
}

func (k *kit) pidFile() string { return filepath.Join(k.Dir, "pid") }

func (k *kit) path(elements ...string) string {
	return filepath.Join(append([]string{k.Dir}, elements...)...)
}

func readKit() (*kit, error) {
	k := &kit{}
	if err := json.Unmarshal([]byte(os.Getenv(kitEnv)), k); err != nil {
		return nil, fmt.Errorf("%s: %w", kitEnv, err)
	}
	return k, nil
}

// Names of images.
const (
	usherImage    = "usher:latest" // as in the sample with the sidecar; built by "make image"
	nextImage     = "usher:next"   // the same code, built by the steps of the Dockerfile
	workloadImage = "usher-workload:latest"
	shellImage    = "busybox:1.37"
	pauseImage    = "localhost/pause:1"
)

// prepare finds or builds the components, and builds the images and what installs Usher.
func prepare(dir string) (*kit, error) {
	ctx := context.Background()
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	k := &kit{Root: root, Dir: dir, Cgroup: filepath.Base(dir)}
	program, err := cluster.BuildProgram("controlplane", "hack/controlplane", ".")
	if err != nil {
		return nil, err
	}
	source := "--source=" + filepath.Join(root, "hack", "controlplane")
	if k.ControlPlane, err = run(ctx, root, nil, program, "assets", source); err != nil {
		return nil, err
	}
	if k.Nodes, err = run(ctx, root, nil, program, "nodes", source); err != nil {
		return nil, err
	}
	if err := k.images(ctx); err != nil {
		return nil, err
	}
	for file, image := range map[string]string{"install.yaml": usherImage, "next.yaml": nextImage} {
		manifests, err := run(ctx, root, nil, "go", "run", "./hack/manifests", "install", "--image="+image)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(k.path(file), []byte(manifests), 0o600); err != nil {
			return nil, err
		}
	}
	if err := k.overlay(); err != nil {
		return nil, err
	}
	bin := filepath.Join(root, "bin")
	if _, err := run(ctx, root, nil, "make", "BIN="+bin, filepath.Join(bin, "helm")); err != nil {
		return nil, err
	}
	return k, nil
}

// overlay writes an overlay of config/default with the image of Usher.
func (k *kit) overlay() error {
	dir := k.path("overlay")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	base, err := filepath.Rel(dir, filepath.Join(k.Root, "config", "default"))
	if err != nil {
		return err
	}
	repository, tag, _ := strings.Cut(usherImage, ":")
	text := fmt.Sprintf("resources: [%s]\nimages: [{name: controller, newName: %s, newTag: %s}]\n", base, repository, tag)
	return os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600)
}

// run runs a program and returns its standard output. It shows its standard error.
func run(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// images builds all images as archives.
func (k *kit) images(ctx context.Context) error {
	if err := os.MkdirAll(k.path("images"), 0o755); err != nil {
		return err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if err := k.makeImage(ctx, usherImage, "e2e"); err != nil {
		return fmt.Errorf("build the image %s: %w", usherImage, err)
	}
	for _, image := range []struct {
		name, dir, pkg, version, entrypoint string
		links                               []string
	}{
		{name: nextImage, dir: ".", pkg: "./cmd/usher", version: "e2e-next", entrypoint: "/usher"},
		{name: workloadImage, dir: ".", pkg: "./test/workload", version: "e2e", entrypoint: "/workload"},
		{name: pauseImage, dir: "test/e2e", pkg: "./pause", version: "1", entrypoint: "/pause"},
		{name: shellImage, entrypoint: "/bin/sh", links: []string{"/bin/cat", "/bin/sleep", "/bin/ls"}},
	} {
		program := busybox
		if image.pkg != "" {
			if program, err = k.static(ctx, image.dir, image.pkg, image.version); err != nil {
				return err
			}
		}
		built, err := newImage(image.entrypoint, program, image.links)
		if err == nil {
			err = k.writeImage(image.name, built)
		}
		if err != nil {
			return fmt.Errorf("build the image %s: %w", image.name, err)
		}
	}
	return nil
}

// makeImage builds the image of Usher with "make image". The base image is one without programs, so that no registry is
// needed; docs/operations.md describes how ko finds it.
func (k *kit) makeImage(ctx context.Context, image, version string) error {
	base, err := newImage("", "", nil)
	if err != nil {
		return err
	}
	digest, err := base.Digest()
	if err != nil {
		return err
	}
	cache, err := layout.Write(k.path("ko", "img"), empty.Index)
	if err != nil {
		return err
	}
	if err := cache.AppendImage(base); err != nil {
		return err
	}
	env := []string{
		"KOCACHE=" + k.path("ko"), "KO_DEFAULTBASEIMAGE=localhost/base@" + digest.String(), "KO_DEFAULTPLATFORMS=linux/" + runtime.GOARCH,
	}
	if _, err := run(ctx, k.Root, env, "make", "image", "IMG="+image, "VERSION="+version, "DIST="+k.path("dist")); err != nil {
		return err
	}
	index, err := layout.ImageIndexFromPath(k.path("dist", "image"))
	if err != nil {
		return err
	}
	found, err := partial.FindImages(index, match.MediaTypes(string(types.OCIManifestSchema1), string(types.DockerManifestSchema2)))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%s has %d images, want one", k.path("dist", "image"), len(found))
	}
	return k.writeImage(image, found[0])
}

// static builds a program without C libraries, by the steps of the Dockerfiles.
func (k *kit) static(ctx context.Context, dir, pkg, version string) (string, error) {
	target := k.path("images", filepath.Base(pkg)+version)
	_, err := run(ctx, filepath.Join(k.Root, dir), []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath",
		"-ldflags", "-s -w -X github.com/usher-dev/usher/internal/app.Version="+version, "-o", target, pkg)
	return target, err
}

// archive returns where the archive of an image is.
func (k *kit) archive(image string) string {
	return k.path("images", strings.NewReplacer("/", "_", ":", "_").Replace(image)+".tar")
}

// writeImage writes the archive of an image.
func (k *kit) writeImage(image string, built v1.Image) error {
	tag, err := name.NewTag(image, name.WithDefaultRegistry("docker.io"))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(k.archive(image), tag, built)
}

// newImage returns an image with the users that images without a shell have and, if there is an entrypoint, one program
// with hard links to it.
func newImage(entrypoint, program string, links []string) (v1.Image, error) {
	var layer bytes.Buffer
	var err error
	files := tar.NewWriter(&layer)
	add := func(header tar.Header, content []byte) {
		header.Size = int64(len(content))
		if err == nil {
			err = files.WriteHeader(&header)
		}
		if err == nil {
			_, err = files.Write(content)
		}
	}
	for _, dir := range []string{"etc/", "tmp/", "bin/"} {
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"))
	config := v1.Config{User: "65532:65532", Env: []string{"PATH=/bin:/"}, WorkingDir: "/"}
	if entrypoint != "" {
		content, readErr := os.ReadFile(program)
		if readErr != nil {
			return nil, readErr
		}
		config.Entrypoint = []string{entrypoint}
		add(tar.Header{Name: entrypoint[1:], Mode: 0o755}, content)
		for _, link := range links {
			add(tar.Header{Name: link[1:], Typeflag: tar.TypeLink, Linkname: entrypoint[1:], Mode: 0o755}, nil)
		}
	}
	if err = errors.Join(err, files.Close()); err != nil {
		return nil, err
	}
	unpacked, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	built, err := mutate.AppendLayers(empty.Image, unpacked)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(built, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", Config: config, RootFS: must(built.ConfigFile()).RootFS,
	})
}

// must returns the value of an image that is in memory.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// showLogs prints the ends of the components' logs.
func (k *kit) showLogs() {
	files, _ := filepath.Glob(k.path("log", "*.log"))
	slices.Sort(files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		all := strings.Split(strings.TrimSpace(string(content)), "\n")
		_, _ = fmt.Fprintf(os.Stdout, "\n==> the end of %s\n%s\n", filepath.Base(file), strings.Join(all[max(0, len(all)-15):], "\n"))
	}
}
