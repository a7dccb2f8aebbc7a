// Package terminal writes output for people: tables that fit the terminal, escaped text from objects, colour where
// the terminal shows it, and progress. It does not depend on any concept of access.
package terminal
