package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArchives(t *testing.T) {
	manifest, err := os.ReadFile(filepath.Join("..", "..", ".krew.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []archive{
		{"kubectl-access_linux_amd64.tar.gz", "linux", "amd64", "tar.gz"},
		{"kubectl-access_linux_arm64.tar.gz", "linux", "arm64", "tar.gz"},
		{"kubectl-access_darwin_amd64.tar.gz", "darwin", "amd64", "tar.gz"},
		{"kubectl-access_darwin_arm64.tar.gz", "darwin", "arm64", "tar.gz"},
		{"kubectl-access_windows_amd64.zip", "windows", "amd64", "zip"},
	}
	if diff := cmp.Diff(want, archivesIn(string(manifest)), cmp.AllowUnexported(archive{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPack(t *testing.T) {
	program, license := []byte("program"), []byte("license")
	for name, tc := range map[string]struct {
		archive archive
		read    func(*testing.T, []byte) map[string]string
		want    map[string]string
	}{
		"tar": {archive{system: "linux", format: "tar.gz"}, readTar, map[string]string{"kubectl-access -rwxr-xr-x": "program", "LICENSE -rw-r--r--": "license"}},
		"zip": {archive{system: "windows", format: "zip"}, readZip, map[string]string{"kubectl-access.exe": "program", "LICENSE": "license"}},
	} {
		t.Run(name, func(t *testing.T) {
			packed, err := tc.archive.pack(program, license)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tc.read(t, packed)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			again, err := tc.archive.pack(program, license)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(packed, again) {
				t.Error("the same files make other bytes")
			}
		})
	}
}

func readTar(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	reader := tar.NewReader(plain)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name+" "+header.FileInfo().Mode().String()] = string(content)
	}
}

func readZip(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range reader.File {
		opened, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(opened)
		if err != nil {
			t.Fatal(err)
		}
		files[file.Name] = string(content)
	}
	return files
}
