// Command manifests generates the files for installing without kustomize from config:
//
//	chart    the templates of the Helm chart that equal parts of config, in place
//	install  all of config/default as one file, to standard output
//
// It imports nothing of Usher.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const usage = `usage:
  go run ./hack/manifests chart
  go run ./hack/manifests install --image=IMAGE`

func main() {
	if err := run(".", os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(root string, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("name a command\n" + usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	image := flags.String("image", "", "the manager's image")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	switch args[0] {
	case "chart":
		return writeChart(root)
	case "install":
		return writeInstall(root, *image, out)
	default:
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
}

func build(root, dir string) (resmap.ResMap, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return built, nil
}

// writeInstall writes config/default with the given image of the manager, or with the one in config.
func writeInstall(root, image string, out io.Writer) error {
	built, err := build(root, defaultDir)
	if err != nil {
		return err
	}
	if image != "" {
		if err := setImage(built, image); err != nil {
			return err
		}
	}
	text, err := built.AsYaml()
	if err != nil {
		return fmt.Errorf("write %s: %w", defaultDir, err)
	}
	_, err = out.Write(text)
	return err
}

func setImage(built resmap.ResMap, image string) error {
	set := 0
	for _, object := range built.Resources() {
		if object.GetKind() != "Deployment" {
			continue
		}
		if err := object.PipeE(
			yaml.Lookup("spec", "template", "spec", "containers", "[name=manager]"),
			yaml.SetField("image", yaml.NewStringRNode(image)),
		); err != nil {
			return fmt.Errorf("set the image of Deployment %s: %w", object.GetName(), err)
		}
		set++
	}
	if set != 1 {
		return fmt.Errorf("set the image: %s has %d Deployments, want 1", defaultDir, set)
	}
	return nil
}
