package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"time"
)

// mostAuthorities bounds the bundle, whoever empties the Secret however often.
const mostAuthorities = 10

// extend returns the bundle with the authority first and without what has expired. What is no certificate is dropped.
func extend(bundle []byte, authority *x509.Certificate, now time.Time) []byte {
	kept := []*x509.Certificate{authority}
	for _, c := range certificates(bundle) {
		if !c.Equal(authority) && now.Before(c.NotAfter) {
			kept = append(kept, c)
		}
	}
	// The authority of what is served is among the last ones issued.
	slices.SortStableFunc(kept[1:], func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	var made bytes.Buffer
	for _, c := range kept[:min(len(kept), mostAuthorities)] {
		// Writing to memory does not fail.
		_ = pem.Encode(&made, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return made.Bytes()
}

// holds says whether the authority is in the bundle.
func holds(bundle []byte, authority *x509.Certificate) bool {
	return slices.ContainsFunc(certificates(bundle), authority.Equal)
}

// certificates returns the certificates of a PEM text, and leaves out whatever else it holds.
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
