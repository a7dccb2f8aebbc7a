package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	heading     = regexp.MustCompile(`^#+ (.*)$`)
	punctuation = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// checkAnchors returns a line for each link to a section that does not exist. Documents are relative to root.
func checkAnchors(root string, documents []string) ([]string, error) {
	sections := map[string]map[string]bool{}
	texts := map[string]string{}
	for _, document := range documents {
		content, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", document, err)
		}
		texts[document], sections[document] = string(content), sectionsOf(string(content))
	}
	var missing []string
	for _, document := range documents {
		number := 0
		for line := range strings.Lines(texts[document]) {
			number++
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				target, section, found := strings.Cut(match[1], "#")
				if !found || strings.Contains(target, "://") {
					continue
				}
				linked := document
				if target != "" {
					linked = filepath.Join(filepath.Dir(document), target)
				}
				if known := sections[linked]; known != nil && !known[section] {
					missing = append(missing, fmt.Sprintf("%s:%d: there is no section %q in %s", document, number, section, linked))
				}
			}
		}
	}
	return missing, nil
}

// sectionsOf returns the anchors of a document as GitHub derives them from its headings.
func sectionsOf(text string) map[string]bool {
	sections, code := map[string]bool{}, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		match := heading.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if code || match == nil {
			continue
		}
		title := link.ReplaceAllString(match[1], "]")
		anchor := strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		unique := anchor
		for n := 1; sections[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", anchor, n)
		}
		sections[unique] = true
	}
	return sections
}
