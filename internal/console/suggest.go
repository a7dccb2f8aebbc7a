package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
)

// The kinds of names that the script suggests.
const (
	suggestUsers         = "users"
	suggestGroups        = "groups"
	suggestApplications  = "applications"
	suggestOrganizations = "organizations"
)

// mostSuggestions is the number of names that are suggested at once.
const mostSuggestions = 20

// suggest answers with the names that contain the text, those that begin with it first.
func (s *Server) suggest(r *http.Request) (reply, error) {
	w := s.world()
	organization, text := r.FormValue("organization"), strings.ToLower(r.FormValue("q"))
	organizations := w.Asked()
	if slices.Contains(organizations, organization) {
		organizations = []string{organization}
	}
	var names []string
	switch r.FormValue("kind") {
	case suggestGroups:
		for _, o := range w.GroupObjects("") {
			if r.FormValue("qualified") != "" {
				names = append(names, o.GetNamespace()+"/"+o.GetName())
			} else if o.GetNamespace() == organization {
				names = append(names, o.GetName())
			}
		}
	case suggestApplications:
		for _, each := range organizations {
			names = append(names, w.Applications(each)...)
		}
	case suggestOrganizations:
		names = slices.Clone(w.Asked())
	default:
		names = query.Users(w, w.Asked())
	}
	slices.Sort(names)
	begin, within := []string{}, []string{}
	for _, name := range slices.Compact(names) {
		switch at := strings.Index(strings.ToLower(name), text); {
		case at == 0:
			begin = append(begin, name)
		case at > 0:
			within = append(within, name)
		}
	}
	all := append(begin, within...)
	encoded, err := json.Marshal(all[:min(mostSuggestions, len(all))])
	return &download{kind: "application/json", content: encoded}, err
}
