// Package read sets the reader of application documents against Casbin, both with the same ten thousand users.
package read
