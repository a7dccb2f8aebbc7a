// Package publish turns decisions into the documents of docs/documents.md, and documents into ConfigMaps.
//
// Rendering is pure: the same decisions give the same bytes. What is written and when is for package controller.
package publish
