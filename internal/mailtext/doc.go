// Package mailtext parses, checks and executes the templates of mails that an AccessPolicy declares. Admission and the
// sender of notices use the same functions, so that what admission accepts can be sent.
//
// It imports the standard library only, and knows no objects.
package mailtext
