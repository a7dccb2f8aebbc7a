package edit

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// The columns of the CSV that export writes and import reads. The names and their order are a contract.
const (
	columnRecord       = "record"
	columnNamespace    = "namespace"
	columnGroup        = "group"
	columnUser         = "user"
	columnOrganization = "organization"
	columnApplication  = "application"
	columnRole         = "role"
	columnMemberGroup  = "memberGroup"
	columnNotBefore    = "notBefore"
	columnNotAfter     = "notAfter"
	columnType         = "type"
	columnPrivileges   = "privileges"
	columnState        = "state"
	columnDisplayName  = "displayName"
	columnEmail        = "email"
	columnDescription  = "description"

	columnApplicationSelector  = "applicationSelector"
	columnOrganizationSelector = "organizationSelector"
	columnAttribute            = "attribute"
	columnValue                = "value"
	columnEveryDays            = "everyDays"
	columnIfMissed             = "ifMissed"
	columnReviewedAt           = "reviewedAt"
)

var tableColumns = []string{
	columnRecord, columnNamespace, columnGroup, columnUser, columnOrganization, columnApplication, columnRole,
	columnMemberGroup, columnNotBefore, columnNotAfter, columnType, columnPrivileges, columnState, columnDisplayName,
	columnEmail, columnDescription, columnApplicationSelector, columnOrganizationSelector, columnAttribute, columnValue,
	columnEveryDays, columnIfMissed, columnReviewedAt,
}

// The values of the column record.
const (
	recordGroup            = "group"            // a group
	recordMember           = "member"           // a member of a group
	recordMemberGroup      = "memberGroup"      // a group whose members are members of another
	recordUser             = "user"             // properties of one user
	recordUserGroup        = "userGroup"        // a group that a user belongs to, declared on the user's side
	recordRole             = "role"             // a role in an application
	recordOrganizationRole = "organizationRole" // a role of the organization
	recordSystemRole       = "systemRole"       // a role on the system ladder
	recordAttribute        = "attribute"        // one value of an attribute of a user
	recordReview           = "review"           // the review interval of a group, and the time of the last review
)

// recordColumns are the columns that each record has in addition to namespace. The first of them are required.
var recordColumns = map[string]struct {
	required int
	columns  []string
}{
	recordGroup:       {1, []string{columnGroup, columnType, columnPrivileges, columnDisplayName, columnDescription}},
	recordMember:      {2, []string{columnGroup, columnUser, columnNotBefore, columnNotAfter}},
	recordMemberGroup: {2, []string{columnGroup, columnMemberGroup}},
	recordUser:        {1, []string{columnUser, columnState, columnNotBefore, columnNotAfter, columnDisplayName, columnEmail}},
	recordUserGroup:   {2, []string{columnUser, columnGroup}},
	recordRole: {1, []string{
		columnRole, columnApplication, columnApplicationSelector, columnGroup, columnUser, columnOrganization,
		columnOrganizationSelector, columnNotBefore, columnNotAfter,
	}},
	recordOrganizationRole: {1, []string{columnRole, columnGroup, columnUser, columnOrganization, columnOrganizationSelector}},
	recordSystemRole:       {1, []string{columnRole, columnOrganization, columnOrganizationSelector, columnGroup, columnUser}},
	recordAttribute:        {3, []string{columnUser, columnAttribute, columnValue}},
	recordReview:           {2, []string{columnGroup, columnEveryDays, columnIfMissed, columnReviewedAt}},
}

// row is one line of the CSV, with its cells by column.
type row struct {
	cells map[string]string // without empty ones
	line  int
	// places are the positions in the text at which the cells start, in the order of the header.
	header []string
	places []int
}

func (r *row) get(column string) string { return r.cells[column] }

// failure returns an error about one cell, or about the whole line.
func (r *row) failure(file, column string, err error) error {
	if i := slices.Index(r.header, column); i >= 0 && i < len(r.places) {
		return fmt.Errorf("%s:%d:%d: column %s: %w", file, r.line, r.places[i], column, err)
	}
	if column != "" {
		return fmt.Errorf("%s:%d: column %s: %w", file, r.line, column, err)
	}
	return fmt.Errorf("%s:%d: %w", file, r.line, err)
}

// unescapeCell returns the cell without the apostrophe that keeps a spreadsheet from reading it as a formula.
func unescapeCell(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}

// mostFailures is the maximum number of errors that are reported for a file.
const mostFailures = 20

// Table is the content of a CSV that [Export] has written, or that a person has.
type Table struct {
	file string
	rows []row
}

// ReadTable reads the CSV with the name. It returns the errors in its format.
func ReadTable(file string, text []byte, in *input.Reader) (*Table, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // spreadsheets write a byte order mark
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s:%d: it is not valid UTF-8; save it as CSV in UTF-8", file, lineOfInvalid(text))
	}
	reader := csv.NewReader(bytes.NewReader(text))
	reader.Comma = separator(text)
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it is empty; the first line names the columns: %s", file, strings.Join(tableColumns, ","))
	}
	if err != nil {
		return nil, parseFailure(file, err)
	}
	header = slices.Clone(header)
	if err := checkHeader(file, reader, header); err != nil {
		return nil, err
	}
	var rows []row
	var failures []error
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			failures = append(failures, parseFailure(file, err)) // the rest cannot be split into cells
			break
		}
		if !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
			continue // spreadsheets write such lines for cleared rows
		}
		if err := in.CountObject(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		one, err := newRow(file, reader, header, cells)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		rows = append(rows, one)
	}
	if len(failures) > 0 {
		return nil, firstOf(failures)
	}
	return &Table{file, rows}, nil
}

// firstOf joins the first errors, and counts the rest.
func firstOf(failures []error) error {
	if more := len(failures) - mostFailures; more > 0 {
		failures = append(slices.Clone(failures[:mostFailures]), fmt.Errorf("and %d more errors", more))
	}
	return errors.Join(failures...)
}

// separator returns the separator of cells. In many countries, spreadsheets use semicolons.
func separator(text []byte) rune {
	header, _, _ := bytes.Cut(text, []byte("\n"))
	for _, each := range []rune{',', ';', '\t'} {
		if bytes.ContainsRune(header, each) {
			return each
		}
	}
	return ','
}

func lineOfInvalid(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return line
}

func parseFailure(file string, err error) error {
	var broken *csv.ParseError
	if errors.As(err, &broken) {
		return fmt.Errorf("%s:%d:%d: %w", file, broken.Line, broken.Column, broken.Err)
	}
	return fmt.Errorf("%s: %w", file, err)
}

func checkHeader(file string, reader *csv.Reader, header []string) error {
	var failures []error
	for i, name := range header {
		line, place := reader.FieldPos(i)
		switch {
		case slices.Contains(header[:i], name):
			failures = append(failures, fmt.Errorf("%s:%d:%d: column %q is there twice", file, line, place, name))
		case slices.Contains(tableColumns, name):
		default:
			text := "there is " + strings.Join(tableColumns, ", ")
			if meant := words.Meant(validation.Nearest(name, tableColumns)); meant != "" {
				text = meant
			}
			failures = append(failures, fmt.Errorf("%s:%d:%d: column %q: there is no such column; %s", file, line, place, name, text))
		}
	}
	isPlain := slices.Contains(header, columnGroup) || slices.Contains(header, columnUser)
	if len(failures) == 0 && !slices.Contains(header, columnRecord) && !isPlain {
		failures = append(failures, fmt.Errorf("%s:1: the column %s is missing; without it there is a column %s or %s", file,
			columnRecord, columnGroup, columnUser))
	}
	return errors.Join(failures...)
}

// newRow reads a line into a row, and validates its cells for the kind of record.
func newRow(file string, reader *csv.Reader, header, cells []string) (row, error) {
	line, _ := reader.FieldPos(0)
	one := row{line: line, header: header, cells: map[string]string{}}
	if len(cells) != len(header) {
		return one, one.failure(file, "", fmt.Errorf("it has %s, and the header has %d", words.Counted(len(cells), "cell", "cells"), len(header)))
	}
	one.places = make([]int, len(header))
	for i, name := range header {
		if cell := unescapeCell(cells[i]); cell != "" {
			one.cells[name] = cell
		}
		_, one.places[i] = reader.FieldPos(i)
	}
	if one.isPlain() {
		one.cells[columnRecord] = one.plainRecord()
	}
	return one, one.checkColumns(file)
}

// isPlain reports whether the CSV has no column record. In that case the cells of a line determine its record, and
// the import creates missing groups.
func (r *row) isPlain() bool { return !slices.Contains(r.header, columnRecord) }

func (r *row) plainRecord() string {
	switch {
	case r.get(columnRole) != "" && r.get(columnApplication)+r.get(columnApplicationSelector) != "":
		return recordRole
	case r.get(columnRole) != "":
		return recordOrganizationRole
	case r.get(columnMemberGroup) != "":
		return recordMemberGroup
	case r.get(columnAttribute) != "":
		return recordAttribute
	case r.get(columnEveryDays) != "":
		return recordReview
	case r.get(columnGroup) != "" && r.get(columnUser) != "":
		return recordMember
	case r.get(columnUser) != "":
		return recordUser
	default:
		return recordGroup
	}
}

func (r *row) checkColumns(file string) error {
	record := r.get(columnRecord)
	takes, known := recordColumns[record]
	if !known {
		text := "there is " + strings.Join(slices.Sorted(maps.Keys(recordColumns)), ", ")
		if meant := words.Meant(validation.Nearest(record, slices.Sorted(maps.Keys(recordColumns)))); meant != "" {
			text = meant
		}
		return r.failure(file, columnRecord, fmt.Errorf("%q is not a record; %s", record, text))
	}
	for _, name := range takes.columns[:takes.required] {
		if r.get(name) == "" {
			return r.failure(file, name, fmt.Errorf("empty; a %s takes it", record))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.cells)) {
		if name != columnRecord && name != columnNamespace && !slices.Contains(takes.columns, name) {
			return r.failure(file, name, fmt.Errorf("a %s takes none; it takes %s", record, strings.Join(takes.columns, ", ")))
		}
	}
	return r.checkChoices(file, record)
}

// checkChoices checks the columns that exclude each other: a record takes exactly one, or at most one of them.
func (r *row) checkChoices(file, record string) error {
	given := func(columns ...string) int {
		n := 0
		for _, column := range columns {
			if r.get(column) != "" {
				n++
			}
		}
		return n
	}
	switch {
	case record != recordRole && record != recordOrganizationRole && record != recordSystemRole:
		return nil
	case given(columnGroup, columnUser) != 1:
		return r.failure(file, columnGroup, fmt.Errorf("a %s is given to either a group or a user", record))
	case record == recordRole && given(columnApplication, columnApplicationSelector) == 0:
		return r.failure(file, columnApplication, fmt.Errorf("empty; a %s takes it, or %s", record, columnApplicationSelector))
	case given(columnApplication, columnApplicationSelector) > 1:
		return r.failure(file, columnApplicationSelector, fmt.Errorf("a %s takes it or %s, not both", record, columnApplication))
	case record == recordSystemRole && given(columnOrganization, columnOrganizationSelector) == 0:
		return r.failure(file, columnOrganization, fmt.Errorf("empty; a %s takes it, or %s", record, columnOrganizationSelector))
	case given(columnOrganization, columnOrganizationSelector) > 1:
		return r.failure(file, columnOrganizationSelector, fmt.Errorf("a %s takes it or %s, not both", record, columnOrganization))
	default:
		return nil
	}
}
