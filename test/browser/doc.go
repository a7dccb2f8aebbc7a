// Package browser looks at the pages that the kubectl plugin writes in a real browser, as a person would. It knows the
// plugin by its command line alone, and imports nothing of Usher.
package browser
