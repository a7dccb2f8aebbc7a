package print

import (
	"io"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/resolve"
)

// sharedMatrixUser is a [query.MatrixUser] whose filters are indexes into the list of its organization.
type sharedMatrixUser struct {
	User             string                `json:"user"`
	OrganizationRole *reference            `json:"organizationRole"`
	Default          *reference            `json:"default"`
	Applications     map[string]*reference `json:"applications"`
}

// MatrixJSON writes the matrices as JSON, user by user.
func MatrixJSON(out io.Writer, all []query.Matrix) error {
	j := newJSONStream(out)
	j.open("[")
	for i := range all {
		writeMatrix(j, &all[i])
	}
	j.shut("]")
	return j.finish()
}

func writeMatrix(j *jsonStream, of *query.Matrix) {
	filters := newFilterList(func(yield func([]resolve.Filter) bool) {
		for i := range of.Users {
			user := &of.Users[i]
			if !yield(user.Default.Filters) {
				return
			}
			for _, h := range user.Applications {
				if !yield(h.Filters) {
					return
				}
			}
		}
	})
	j.next()
	j.open("{")
	j.field("organization", of.Organization)
	j.field("applications", of.Applications)
	filters.write(j)
	fieldOfList(j, "users", of.Users, func(user *query.MatrixUser) any {
		made := &sharedMatrixUser{
			User: user.User, OrganizationRole: filters.reference(&user.OrganizationRole),
			Default: filters.reference(&user.Default), Applications: make(map[string]*reference, len(user.Applications)),
		}
		for name, h := range user.Applications {
			made.Applications[name] = filters.reference(h)
		}
		return made
	})
	j.shut("}")
}
