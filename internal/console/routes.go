package console

import (
	"cmp"
	"net/http"
	"slices"
)

// newRoutes returns the pages, without the secret path. POST changes drafts, and writes only at .../confirm.
func (s *Server) newRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /{$}":           s.start,
		"GET /switch":        s.switchOrganization,
		"GET /assets/{name}": func(r *http.Request) (reply, error) { return asset(r.PathValue("name")), nil },
		"GET /suggest":       s.suggest,

		"GET /o/{organization}/groups":              s.groupsPage,
		"GET /o/{organization}/groups/{name}":       s.groupPage,
		"GET /o/{organization}/users":               s.usersPage,
		"GET /user":                                 s.userPage,
		"GET /o/{organization}/applications":        s.applicationsPage,
		"GET /o/{organization}/applications/{name}": s.applicationPage,
		"GET /o/{organization}/matrix":              s.matrixPage,
		"GET /o/{organization}/matrix.csv":          s.matrixCSV,
		"GET /o/{organization}/policy":              s.policyPage,
		"GET /system":                               s.systemPage,
		"GET /reviews":                              s.reviewsPage,
		"GET /changes":                              s.changesPage,

		"POST /o/{organization}/groups/new":         s.newGroup,
		"POST /o/{organization}/groups/{name}/edit": s.editGroup,
		"GET /bulk":                                s.bulkPage,
		"POST /bulk":                               s.bulkPlan,
		"POST /o/{organization}/user/edit":         s.editUser,
		"POST /user/leave":                         s.removeEverywhere,
		"POST /o/{organization}/policy/edit":       s.editPolicy,
		"POST /o/{organization}/applications/edit": s.editApplication,
		"POST /changes/{id}/undo":                  s.undo,
		"GET /drafts/{id}/{step}":                  s.draftPage,
		"POST /drafts/{id}/{step}":                 s.draftStep,
		"GET /drafts/{id}/manifest.yaml":           s.draftManifest,
		"GET /drafts/{id}/patch.yaml":              s.draftPatch,
		"/": func(*http.Request) (reply, error) {
			return nil, notFound("Not found", "The console has no such page. Choose one from the menu.")
		},
	} {
		s.handle(mux, pattern, h)
	}
	mux.HandleFunc("GET /events", s.events)
	return mux
}

// start leads to the groups of the first organization, or to the System groups if there is no organization.
func (s *Server) start(*http.Request) (reply, error) {
	organizations := s.world().Asked()
	if len(organizations) == 0 {
		return redirect(s.renderer.url("system")), nil
	}
	return redirect(s.renderer.url("o", organizations[0], partGroups)), nil
}

// switchOrganization leads to the same page of another organization.
func (s *Server) switchOrganization(r *http.Request) (reply, error) {
	part := r.FormValue("part")
	if !slices.Contains([]string{partGroups, partUsers, partApplications, partMatrix, partPolicy}, part) {
		part = partGroups
	}
	organization := r.FormValue("organization")
	if !slices.Contains(s.world().Asked(), organization) {
		return nil, notFound("No such organization", "Choose an organization from the list.")
	}
	return redirect(s.renderer.url("o", organization, cmp.Or(part, partGroups))), nil
}
