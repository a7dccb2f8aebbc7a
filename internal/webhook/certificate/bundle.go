package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"time"
)

// mostAuthorities bounds the bundle, even if the Secret is emptied repeatedly.
const mostAuthorities = 10

// extend returns the bundle with the authority first and without expired certificates. It drops everything that is not
// a certificate.
func extend(bundle []byte, authority *x509.Certificate, now time.Time) []byte {
	kept := []*x509.Certificate{authority}
	for _, c := range certificates(bundle) {
		if !c.Equal(authority) && now.Before(c.NotAfter) {
			kept = append(kept, c)
		}
	}
	// The authority of a certificate that is still served is among those issued last.
	slices.SortStableFunc(kept[1:], func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	var encoded bytes.Buffer
	for _, c := range kept[:min(len(kept), mostAuthorities)] {
		// Writing to memory cannot fail.
		_ = pem.Encode(&encoded, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return encoded.Bytes()
}

// holds reports whether the authority is in the bundle.
func holds(bundle []byte, authority *x509.Certificate) bool {
	return slices.ContainsFunc(certificates(bundle), authority.Equal)
}

// certificates returns the certificates in a PEM text and ignores the rest.
func certificates(text []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, c)
		}
	}
	return found
}

func firstCertificate(text []byte) (*x509.Certificate, error) {
	found := certificates(text)
	if len(found) == 0 {
		return nil, errors.New("there is no certificate")
	}
	return found[0], nil
}
