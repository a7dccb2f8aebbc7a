// Package egress connects to servers whose address somebody else has chosen. It refuses private and special addresses, to
// prevent server-side request forgery, and bounds what a server may send.
//
// It imports only the standard library.
package egress
