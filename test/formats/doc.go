// Package formats holds the formats of an application document against the engines that read them: whatever access.json
// says of a user whom a format does not leave out, Casbin and Open Policy Agent decide too.
//
// It is a module of its own, so that what those engines depend on never decides what Usher depends on.
package formats
