// Package terminal writes for people: tables that fit, text from objects that cannot move the cursor, colour only
// where it is seen, and progress. It knows nothing of access.
package terminal
