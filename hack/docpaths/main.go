// Command docpaths fails when the documentation names a file or folder of this repository, or links to a section,
// that does not exist. It imports nothing of Usher.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	missing, err := check(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "docpaths:", err)
		os.Exit(1)
	}
	for _, line := range missing {
		fmt.Fprintln(os.Stderr, line)
	}
	if len(missing) > 0 {
		os.Exit(1)
	}
}

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// The pattern matches words in prose and in code blocks alike.
	word = regexp.MustCompile("[^\\s`'\"()<>|,;:=]+")
	path = regexp.MustCompile(`^[\w.*-]+(/[\w.*-]+)+/?$`)
)

// check returns a line for each thing named and missing.
func check(root string) ([]string, error) {
	documents, err := findDocuments(root)
	if err != nil {
		return nil, err
	}
	folders, err := topFolders(root)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, document := range documents {
		content, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", document, err)
		}
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			for _, name := range named(line, filepath.Dir(document), folders) {
				found, err := filepath.Glob(filepath.Join(root, name))
				if err != nil {
					return nil, fmt.Errorf("%s:%d: look for %s: %w", document, number, name, err)
				}
				if len(found) == 0 {
					missing = append(missing, fmt.Sprintf("%s:%d: there is no %s", document, number, name))
				}
			}
		}
	}
	sections, err := checkAnchors(root, documents)
	return append(missing, sections...), err
}

// named returns what of the repository a line of a document in dir names.
func named(line, dir string, folders map[string]bool) []string {
	names := map[string]bool{}
	for _, match := range link.FindAllStringSubmatch(line, -1) {
		target, _, _ := strings.Cut(match[1], "#")
		switch {
		case target == "", strings.Contains(target, "://"), strings.HasPrefix(target, "mailto:"):
		case strings.HasPrefix(target, "/"):
			names[filepath.Clean(strings.TrimPrefix(target, "/"))] = true
		default:
			names[filepath.Join(dir, target)] = true
		}
	}
	// A link is relative to its document, everything else to the repository.
	for _, candidate := range word.FindAllString(link.ReplaceAllString(line, "]"), -1) {
		candidate = strings.TrimPrefix(candidate, "./")
		candidate = strings.TrimSuffix(strings.TrimRight(candidate, ".!?*]"), "/")
		top, _, _ := strings.Cut(candidate, "/")
		if path.MatchString(candidate) && folders[top] {
			names[candidate] = true
		}
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

func findDocuments(root string) ([]string, error) {
	var documents []string
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			documents = append(documents, name)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "docs")); os.IsNotExist(err) {
		return documents, nil
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		relative, err := filepath.Rel(root, file)
		documents = append(documents, relative)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the documentation: %w", err)
	}
	return documents, nil
}

// topFolders tells paths of the repository from everything else with a slash in it.
func topFolders(root string) (map[string]bool, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	folders := map[string]bool{}
	for _, entry := range entries {
		// What is built into bin and dist is not in the repository.
		if entry.IsDir() && !slices.Contains([]string{"bin", "dist", ".git"}, entry.Name()) {
			folders[entry.Name()] = true
		}
	}
	return folders, nil
}
