// Package publish renders decisions as the documents of docs/documents.md and writes the documents as ConfigMaps.
//
// Rendering is pure: the same decisions give the same bytes. Package controller decides what is written and when.
package publish
