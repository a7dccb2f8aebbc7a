// Package sqlite checks that SQLite, with the conditions that api/document renders, returns the rows that the filters
// match.
package sqlite
