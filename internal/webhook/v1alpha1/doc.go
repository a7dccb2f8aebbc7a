// Package v1alpha1 answers the API server's admission requests for the four kinds. It makes no decisions itself:
// internal/validation judges a change, and the API server tells who holds which right. This package asks both, and
// confirms a judgement before it refuses a request.
//
// An answer is an admission, a refusal that lists all reasons at once, or an error. Every failure is an error and
// never an admission. There are no side effects, so a dry run gets the same answer as the real request.
package v1alpha1
