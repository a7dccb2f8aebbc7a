package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	scimUserSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	scimGroupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
	scimPatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// SCIMClient sends the requests of identity providers to a SCIM server.
type SCIMClient struct {
	address string
	client  *http.Client
}

// NewSCIMClient returns a client of the server at the address. It trusts the authorities, in PEM.
func NewSCIMClient(address string, authorities []byte) (*SCIMClient, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		return nil, errors.New("the authorities of the SCIM server have no certificate")
	}
	return &SCIMClient{address, &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 8,
	}}}, nil
}

// SCIMReply is an answer of the SCIM server.
type SCIMReply struct {
	Code   int
	Header http.Header
	Body   map[string]any
}

// Text returns an attribute of the body, or nothing.
func (r SCIMReply) Text(name string) string {
	text, _ := r.Body[name].(string)
	return text
}

// Do sends a request to the endpoint of the organization. The path begins after the version, such as /Users. A nil body is
// empty.
func (c *SCIMClient) Do(ctx context.Context, organization, token, method, path string, body any) (SCIMReply, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return SCIMReply{}, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+c.address+"/"+organization+"/v2"+path, bytes.NewReader(text))
	if err != nil {
		return SCIMReply{}, err
	}
	request.Header.Set("Content-Type", "application/scim+json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.client.Do(request)
	if err != nil {
		return SCIMReply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return SCIMReply{}, err
	}
	r := SCIMReply{Code: response.StatusCode, Header: response.Header}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &r.Body); err != nil {
			return SCIMReply{}, fmt.Errorf("%w in %q", err, answer)
		}
	}
	return r, nil
}

// SCIMUser returns the body that creates or replaces a user.
func SCIMUser(userName string) map[string]any {
	return map[string]any{"schemas": []string{scimUserSchema}, "userName": userName, "displayName": "User " + userName, "active": true}
}

// SCIMGroup returns the body that creates or replaces a group with the users as members, by their ids.
func SCIMGroup(displayName string, ids ...string) map[string]any {
	return map[string]any{"schemas": []string{scimGroupSchema}, "displayName": displayName, "members": SCIMMembers(ids...)}
}

// SCIMMembers returns the value of the attribute members.
func SCIMMembers(ids ...string) []map[string]string {
	list := make([]map[string]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, map[string]string{"value": id})
	}
	return list
}

// SCIMPatch returns the body of a PATCH with one operation.
func SCIMPatch(operation, path string, value any) map[string]any {
	return map[string]any{"schemas": []string{scimPatchSchema}, "Operations": []any{map[string]any{"op": operation, "path": path, "value": value}}}
}
