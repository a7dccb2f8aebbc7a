// Package decision is the decision point: it answers over HTTP who may do what in which application (docs/decisions.md).
//
// The functions [Evaluate], [Subjects], [Resources] and [Actions] are pure: a question and a view of the roster in, an
// answer out. Whether a user may do something is decided by resolve.Organization.Can alone, and whether a row is visible
// by the reader in api/document. A request reads one view, takes no lock, and waits for nobody.
//
// [Server] serves the functions by the AuthZEN Authorization API 1.0, each organization as a decision point of its own,
// and as a check endpoint for gateways:
//
//   - [Callers] authenticates and authorizes those who ask questions, by reviews of the API server.
//   - [Users] finds the user of a request to the check endpoint, who asks for himself.
//   - [Contact] knows when the API server was last heard of: without contact, nothing is answered.
//
// In doubt the answer is no, or an error.
package decision
