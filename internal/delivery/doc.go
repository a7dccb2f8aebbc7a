// Package delivery delivers notices through channels: by mail, webhook or Slack. It has the types of channels, the words of
// a notice and its form in each type. It does not decide who is told what, and does not retry.
//
// From Usher, the package imports only the API, egress, mailtext and the names of objects in roster.
package delivery
