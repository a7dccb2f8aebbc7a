package cli

import "github.com/usher-dev/usher/internal/validation"

// nearest returns the names that the given name may be a misspelling of, the most similar first.
func nearest(name string, names []string) []string { return validation.Nearest(name, names) }
