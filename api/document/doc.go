// Package document has the documents that Usher publishes and workloads read (docs/documents.md), and loads them from
// a mounted directory.
//
// The documents are a contract of their own: the package depends on the standard library only, and a later version of
// a document has another apiVersion.
package document
