// Package print writes the answers of the packages query and report: as tables and text for people, as JSON, CSV and
// Markdown, and as web pages. It makes no decisions.
package print
