package scim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// serviceAccountPrefix starts the subject of a service account's token.
const serviceAccountPrefix = "system:serviceaccount:"

// bearerToken returns the token of a request.
func bearerToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", unauthorized("send the token of a service account as one bearer token")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t") {
		return "", unauthorized("send the token of a service account as bearer token")
	}
	return token, nil
}

// serviceAccountOf returns the name of the service account that the token belongs to. It does not verify the token: the
// API server does, with each request. So a forged name gives nothing.
func serviceAccountOf(token, organization string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", unauthorized("the token is not that of a service account")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", unauthorized("the token is not that of a service account")
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", unauthorized("the token is not that of a service account")
	}
	subject, ok := strings.CutPrefix(claims.Subject, serviceAccountPrefix)
	namespace, name, found := strings.Cut(subject, ":")
	if !ok || !found {
		return "", unauthorized("the token is not that of a service account")
	}
	if namespace != organization {
		return "", forbidden("the token belongs to a service account of namespace %q: use one of namespace %q", namespace, organization)
	}
	if len(validation.IsValidLabelValue(name)) > 0 {
		return "", forbidden("service account %q: its name must be valid as the value of a label, with at most %d characters",
			name, validation.LabelValueMaxLength)
	}
	return name, nil
}
