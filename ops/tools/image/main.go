// Command image makes an image of a folder without a container engine: its layer is the folder, its configuration that
// of the last stage of a Dockerfile. It writes the image as an OCI layout, reads that again, checks layers and
// configuration, and writes the file system that a container would see to standard output, as tar.
package main

import (
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: image DOCKERFILE FOLDER LAYOUT >TAR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(dockerfile, folder, to string, out io.Writer) error {
	config, err := lastStage(dockerfile)
	if err != nil {
		return err
	}
	made, err := build(folder, config)
	if err != nil {
		return err
	}
	image, err := written(made, to)
	if err != nil {
		return err
	}
	if err := validate.Image(image); err != nil {
		return err
	}
	if err := check(image); err != nil {
		return err
	}
	files := mutate.Extract(image)
	defer files.Close()
	_, err = io.Copy(out, files)
	return err
}

// build returns an image of one layer. It has no time of its own, so the same folder is the same image.
func build(folder string, config v1.Config) (v1.Image, error) {
	layer, err := layerOf(folder)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", architecture, config
	return mutate.ConfigFile(image, file)
}

// written writes an image as an OCI layout and returns it as it is read from there.
func written(image v1.Image, to string) (v1.Image, error) {
	path, err := layout.Write(to, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := path.AppendImage(image); err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "image", digest)
	return path.Image(digest)
}
