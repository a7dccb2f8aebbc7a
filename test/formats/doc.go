// Package formats tests the formats of an application document in the engines that read them: Casbin and Open Policy
// Agent must decide like access.json for every user whom a format includes.
//
// It is a separate module, so that the dependencies of these engines do not determine those of Usher.
package formats
