package decision

import (
	"errors"
	"net/http"
	"strings"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// Users identifies the user of a request to the check endpoint.
type Users struct {
	// Tokens authenticates the user by the bearer token of the request. It is optional.
	Tokens authenticator.Token
	// Header is the name of the header with the user. It counts only in requests of peers that Peers authenticates. It
	// is optional.
	Header string
	Peers  authenticator.Request
}

// NewPeers returns an authenticator of requests by a header. A peer must present a client certificate that one of
// the authorities has signed and that has one of the common names.
func NewPeers(header string, authorities dynamiccertificates.CAContentProvider, names []string) authenticator.Request {
	return headerrequest.NewDynamicVerifyOptionsSecure(authorities.VerifyOptions,
		headerrequest.StaticStringSlice(names), headerrequest.StaticStringSlice{header},
		headerrequest.StaticStringSlice{}, headerrequest.StaticStringSlice{}, headerrequest.StaticStringSlice{})
}

var (
	errNoUser      = errors.New("the request has no user: neither a token nor a header of a gateway names one")
	errToken       = errors.New("the bearer token is not valid")
	errTwoTokens   = errors.New("the request has more than one Authorization header")
	errTwoHeaders  = errors.New("the header of the user is there more than once")
	errPeer        = errors.New("the header of the user does not come from a gateway that may set it")
	errContradicts = errors.New("token and header name different users")
)

// of returns the user of the request. If both a token and a header are present, they must name the same user.
func (u *Users) of(r *http.Request) (string, error) {
	byToken, err := u.byToken(r)
	if err != nil {
		return "", err
	}
	byHeader, err := u.byHeader(r)
	if err != nil {
		return "", err
	}
	switch {
	case byToken == "" && byHeader == "":
		return "", errNoUser
	case byToken != "" && byHeader != "" && byToken != byHeader:
		return "", errContradicts
	case byToken != "":
		return byToken, nil
	default:
		return byHeader, nil
	}
}

// byToken returns the user that the bearer token names, or the empty string without a bearer token.
func (u *Users) byToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if u.Tokens == nil || len(headers) == 0 {
		return "", nil
	}
	if len(headers) > 1 {
		return "", errTwoTokens
	}
	token, isBearer := bearerToken(r)
	if !isBearer {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(headers[0]), " "); strings.EqualFold(scheme, "Bearer") {
			return "", errToken
		}
		return "", nil // another scheme is meant for the application
	}
	found, ok, err := u.Tokens.AuthenticateToken(r.Context(), token)
	if err != nil || !ok || found.User.GetName() == "" {
		return "", errToken
	}
	return found.User.GetName(), nil
}

// byHeader returns the user that the header names, or the empty string without the header.
func (u *Users) byHeader(r *http.Request) (string, error) {
	if u.Header == "" {
		return "", nil
	}
	values := r.Header.Values(u.Header)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", errTwoHeaders
	}
	found, ok, err := u.Peers.AuthenticateRequest(r)
	if err != nil || !ok || found.User.GetName() != values[0] {
		return "", errPeer
	}
	return found.User.GetName(), nil
}
