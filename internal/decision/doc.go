// Package decision implements the decision point. It answers over HTTP which user may do what in which application
// (docs/decisions.md).
//
// The functions [Evaluate], [Subjects], [Resources] and [Actions] are pure: they compute the answer from a question
// and a view of the roster. Only resolve.Organization.Can decides whether a user may do something. Only the reader
// in api/document decides whether a row is visible. A request reads one view, takes no lock, and does not wait for
// other requests.
//
// [Server] exposes the functions as the AuthZEN Authorization API 1.0, with a separate decision point for each
// organization, and as a check endpoint for gateways:
//
//   - [Callers] authenticates and authorizes callers by TokenReview and SubjectAccessReview.
//   - [Users] identifies the user of a request to the check endpoint. Users ask about their own access.
//   - [Contact] records when the API server last sent data. Without contact, the server answers no question.
//
// If the answer is not certain, it is a deny or an error.
package decision
