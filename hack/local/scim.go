package main

import (
	"context"
	"errors"
	"net"

	"github.com/usher-dev/usher/test/cluster"
)

// scimAccount is the service account of an identity provider in each organization.
const scimAccount = "identity-provider"

// scimAccess is how identity providers reach the SCIM server.
type scimAccess struct {
	URL string `json:"url"`
	// CA has the certificate authorities, in PEM.
	CA     string            `json:"ca"`
	Tokens map[string]string `json:"tokens"` // by organization
}

// startSCIM starts the SCIM server beside a manager that runs, and returns how identity providers of the organizations reach
// it.
func startSCIM(
	ctx context.Context, c *cluster.Cluster, organizations []string, options cluster.ServerOptions, steps *steps,
) (*cluster.Server, scimAccess, error) {
	steps.say("starting the SCIM server")
	to := scimAccess{Tokens: map[string]string{}}
	var err error
	var authorities []byte
	if options.CertificateDir, authorities, err = c.SCIMCertificate(ctx); err != nil {
		return nil, to, err
	}
	for _, organization := range organizations {
		if to.Tokens[organization], err = c.SCIMToken(ctx, organization, scimAccount); err != nil {
			return nil, to, err
		}
	}
	started, err := c.StartSCIM(ctx, options)
	if err != nil {
		return nil, to, err
	}
	_, port, err := net.SplitHostPort(started.Address())
	if err != nil {
		return nil, to, errors.Join(err, started.Kill())
	}
	to.URL, to.CA = "https://"+net.JoinHostPort("localhost", port), string(authorities)
	return started, to, nil
}
