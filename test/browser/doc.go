// Package browser tests the pages of the kubectl plugin in a real browser. It uses only the plugin's command line and
// imports nothing of Usher.
package browser
