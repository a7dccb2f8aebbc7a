// Package read compares the reader of application documents with Casbin, both with the same ten thousand users.
package read
