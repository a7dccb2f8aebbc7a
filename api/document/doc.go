// Package document reads what Usher publishes, for workloads that guard themselves by it: who has which role in an
// application, what the role permits, and which rows it shows.
//
// [FollowApplication] follows the document of an application, and [FollowUser] that of a user, in the directory in
// which the ConfigMap is mounted. Both answer from memory, end access at the instant at which it ends, and deny when
// they cannot know: what is missing, broken or about something else gives nobody access. [Load] and [Parse] read once.
//
// [Filters] are the rows that a user sees. They judge rows in memory, and [Table] renders them as conditions for
// PostgreSQL, MySQL and SQLite; both decide the same.
//
// The types of the documents are a contract of their own: a later version of a document has another apiVersion. The
// package is a Go module of its own and imports nothing of Usher or Kubernetes. Beside the standard library it imports
// fsnotify and jsontext, which Go 1.27 has in its standard library.
package document
