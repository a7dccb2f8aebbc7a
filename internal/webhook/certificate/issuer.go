package certificate

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret, beside those of a TLS Secret.
const (
	authorityKey        = "ca.crt"
	authorityPrivateKey = "ca.key"
)

const (
	authorityName = "usher-webhook-ca"
	organization  = "usher"
	// skew is how far clocks may be apart.
	skew = time.Hour
	// What is renewed has a third of its validity left, so that an outage of days does not end the webhooks.
	renewAt = 3
)

// Issuer issues certificates. It reads no clock.
type Issuer struct {
	// DNSNames are the names that the API server calls the webhooks by. The first is also the subject.
	DNSNames []string
	// Validity and AuthorityValidity are those of the serving certificate and of the authority that signs it. The
	// second has to be at least three times the first, so that no certificate outlives its authority.
	Validity, AuthorityValidity time.Duration
}

// Renew returns the Secret's data with everything valid for long enough, and whether anything had to be issued.
func (i *Issuer) Renew(data map[string][]byte, now time.Time) (map[string][]byte, bool, error) {
	authority, err := i.authority(data, now)
	if err == nil && i.serves(data, now) {
		return data, false, nil
	}
	factory := i.factory()
	if err != nil {
		if authority, err = factory.CreateCACert(now.Add(-skew), now.Add(i.AuthorityValidity)); err != nil {
			return nil, false, fmt.Errorf("issuing a certificate authority: %w", err)
		}
	}
	certificate, key, err := factory.CreateCertPEM(authority, now.Add(-skew), now.Add(i.Validity))
	if err != nil {
		return nil, false, fmt.Errorf("issuing a serving certificate: %w", err)
	}
	return map[string][]byte{
		authorityKey:            authority.CertPEM,
		authorityPrivateKey:     authority.KeyPEM,
		corev1.TLSCertKey:       certificate,
		corev1.TLSPrivateKeyKey: key,
	}, true, nil
}

// Due returns when the data has to be renewed.
func (i *Issuer) Due(data map[string][]byte) (time.Time, error) {
	authority, err := firstCertificate(data[authorityKey])
	if err != nil {
		return time.Time{}, err
	}
	serving, err := firstCertificate(data[corev1.TLSCertKey])
	if err != nil {
		return time.Time{}, err
	}
	due := serving.NotAfter.Add(-i.Validity / renewAt)
	if before := authority.NotAfter.Add(-i.AuthorityValidity / renewAt); before.Before(due) {
		due = before
	}
	return due, nil
}

func (i *Issuer) factory() *rotator.CertRotator {
	return &rotator.CertRotator{
		CAName:         authorityName,
		CAOrganization: organization,
		DNSName:        i.DNSNames[0],
		ExtraDNSNames:  i.DNSNames[1:],
		ExtKeyUsages:   &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// authority returns the authority that the data holds, or why it cannot sign any more.
func (i *Issuer) authority(data map[string][]byte, now time.Time) (*rotator.KeyPairArtifacts, error) {
	certificate, key := data[authorityKey], data[authorityPrivateKey]
	valid, err := rotator.ValidCert(certificate, certificate, key, authorityName, nil, now.Add(i.AuthorityValidity/renewAt))
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	private, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok || !valid || tooLong(pair.Leaf, i.AuthorityValidity, now) {
		return nil, errors.New("the authority was not issued here, or for another validity")
	}
	return &rotator.KeyPairArtifacts{Cert: pair.Leaf, Key: private, CertPEM: certificate, KeyPEM: key}, nil
}

// serves says whether the data holds a certificate for every name that is good for long enough.
func (i *Issuer) serves(data map[string][]byte, now time.Time) bool {
	for _, name := range i.DNSNames {
		valid, err := rotator.ValidCert(data[authorityKey], data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], name,
			&[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, now.Add(i.Validity/renewAt))
		if err != nil || !valid {
			return false
		}
	}
	serving, err := firstCertificate(data[corev1.TLSCertKey])
	return err == nil && !tooLong(serving, i.Validity, now)
}

// tooLong says whether a certificate is valid for longer than is wanted now: a validity that is made shorter holds at
// once.
func tooLong(certificate *x509.Certificate, validity time.Duration, now time.Time) bool {
	return certificate.NotAfter.Sub(now) > validity+skew
}
