// Package document reads the documents that Usher publishes, for workloads that enforce access by them: who has which
// role in an application, which permissions the role has, and which rows it may see.
//
// [FollowApplication] follows the document of an application and [FollowUser] that of a user, in the directory in which
// the ConfigMap is mounted. Both answer from memory, end access at its expiry, and deny access if they cannot know: a
// document that is missing, broken or about something else gives nobody access. [Load] and [Parse] read once.
//
// [Filters] select the rows that a user may see. They evaluate rows in memory, and [Table] renders them as conditions
// for PostgreSQL, MySQL and SQLite. Both give the same result.
//
// The types of the documents are versioned independently: a later version of a document has another apiVersion. The
// package is a separate Go module and imports nothing of Usher or Kubernetes. In addition to the standard library it
// imports fsnotify and jsontext, which is in the standard library of Go 1.27.
package document
