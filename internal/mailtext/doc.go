// Package mailtext parses, checks and executes the mail templates of an AccessPolicy. Admission and delivery use the same
// functions, so a template that admission accepts can be executed.
//
// It imports only the standard library, and knows no Kubernetes objects.
package mailtext
