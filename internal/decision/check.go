package decision

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// checkPrefix is the path prefix of the check endpoint. The organization, the application and the permission follow
// it, and then any path.
const checkPrefix = "/check/"

const (
	checkVersion = "v1"

	// The headers of the response to a check.
	userHeader = "X-Usher-User"
	roleHeader = "X-Usher-Role"
	rowsHeader = "X-Usher-Rows"

	rowsAll      = "all"
	rowsFiltered = "filtered"
)

// check answers a gateway: 200 if the user of the request has the permission, 401 if there is no user, and
// otherwise 403. It ignores the method and the body.
func (s *Server) check(w http.ResponseWriter, r *http.Request, path string) {
	if err := s.Current(); err != nil {
		fail(w, unavailable(err))
		return
	}
	organization, question, err := checked(path)
	if err != nil {
		fail(w, &failure{code: http.StatusForbidden, message: err.Error()})
		return
	}
	user, err := s.options.Users.of(r)
	if err != nil {
		s.options.Log.V(1).Info("A check has no user", "error", err.Error())
		fail(w, &failure{code: http.StatusUnauthorized, message: err.Error(), challenge: s.options.Users.Tokens != nil})
		return
	}
	v := s.options.View()
	question.User = user
	answer := Evaluate(v, organization, question, s.options.Now())
	if !answer.Decision {
		fail(w, &failure{code: http.StatusForbidden, message: fmt.Sprintf("%s does not have the permission %s in application %s of %s",
			user, question.Permission, question.Resource.Application, organization)})
		return
	}
	w.Header().Set(userHeader, user)
	w.Header().Set(roleHeader, answer.Context.Role)
	w.Header().Set(rowsHeader, rowsAll)
	if len(answer.Context.Filters) > 0 {
		w.Header().Set(rowsHeader, rowsFiltered)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// checked returns the question in the raw path of a check. It does not decode the first segments. Gateways differ
// in what they decode and clean, so it refuses a segment that could stand for another one. The rest of the path is
// that of the request that the gateway asks about; only dot segments are refused there.
func checked(path string) (organization string, q *Question, err error) {
	segments := strings.Split(strings.TrimPrefix(path, checkPrefix), "/")
	if len(segments) < 4 || segments[0] != checkVersion {
		return "", nil, fmt.Errorf("the path is not %s%s/ORGANIZATION/APPLICATION/PERMISSION", checkPrefix, checkVersion)
	}
	for _, each := range segments[1:4] {
		if each == "" || strings.Contains(each, "%") {
			return "", nil, errors.New("organization, application or permission in the path is empty or encoded")
		}
	}
	if hasDotSegment(segments) {
		return "", nil, errors.New("the path has a dot segment")
	}
	return segments[1], &Question{
		SubjectType: TypeUser,
		Permission:  segments[3],
		Resource:    Resource{Kind: KindApplication, Application: segments[2]},
	}, nil
}

// hasDotSegment reports whether one of the segments is a dot segment, encoded or not.
func hasDotSegment(segments []string) bool {
	for _, each := range segments {
		if decoded, err := url.PathUnescape(each); err != nil || decoded == "." || decoded == ".." {
			return true
		}
	}
	return false
}
