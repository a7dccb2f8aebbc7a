// Package v1alpha1 answers the API server's admission requests for the four kinds. It decides nothing itself:
// internal/validation says what there is to say about a change, and the API server says who holds which right. What is
// left is to ask them, and to be sure before a refusal.
//
// An answer is a yes, or a refusal that says everything at once, or an error; whatever goes wrong is an error and never a
// yes. There are no side effects, so a dry run is answered as the real call is.
package v1alpha1
