// Package query answers questions about access from a world. Its functions are pure. The JSON of the answers is a
// contract.
package query
