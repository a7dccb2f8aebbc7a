// Package report makes the report for an audit, and the findings of lint. It writes nothing, and shows nothing to people.
package report
