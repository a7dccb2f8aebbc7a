// Package install compares the ways of installing Usher: the chart must render the same objects as config, and every
// value must have its documented effect. It is a separate module, so that the dependencies of Helm do not determine
// those of Usher.
package install
