// Package sqlite holds that SQLite, given the conditions that api/document renders, shows the rows that its filters
// match.
package sqlite
