package certificate

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	validity          = 90 * 24 * time.Hour
	authorityValidity = 5 * 365 * 24 * time.Hour
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newIssuer() Issuer {
	return Issuer{DNSNames: []string{"a.example", "b.example"}, Validity: validity, AuthorityValidity: authorityValidity}
}

// issue returns the data that is issued for an empty Secret.
func issue(t *testing.T, now time.Time) map[string][]byte {
	t.Helper()
	issuer := newIssuer()
	data, issued, err := issuer.Renew(nil, now)
	if err != nil || !issued {
		t.Fatalf("got issued=%t, %v", issued, err)
	}
	return data
}

func TestRenew(t *testing.T) {
	first := issue(t, start)
	second := issue(t, start)
	with := func(change func(map[string][]byte)) map[string][]byte {
		data := map[string][]byte{}
		for key, value := range first {
			data[key] = value
		}
		change(data)
		return data
	}
	for name, tc := range map[string]struct {
		data                   map[string][]byte
		after                  time.Duration
		change                 func(*Issuer)
		authority, certificate bool // whether each must be new
	}{
		"nothing there":      {data: map[string][]byte{}, authority: true, certificate: true},
		"just issued":        {data: first},
		"two thirds are not": {data: first, after: validity*2/3 - time.Minute},
		"a third is left":    {data: first, after: validity*2/3 + time.Minute, certificate: true},
		"expired":            {data: first, after: validity + time.Minute, certificate: true},
		"a third of the authority is left": {
			data: first, after: authorityValidity*2/3 + time.Minute, authority: true, certificate: true,
		},
		"another name": {
			data: first, change: func(i *Issuer) { i.DNSNames = append(i.DNSNames, "c.example") }, certificate: true,
		},
		"a name less": {data: first, change: func(i *Issuer) { i.DNSNames = i.DNSNames[1:] }},
		"a shorter validity": {
			data: first, change: func(i *Issuer) { i.Validity = time.Hour }, certificate: true,
		},
		"a shorter validity of the authority": {
			data: first, change: func(i *Issuer) { i.AuthorityValidity = 300 * 24 * time.Hour }, authority: true, certificate: true,
		},
		"a key that is not the certificate's": {
			data: with(func(d map[string][]byte) { d["tls.key"] = second["tls.key"] }), certificate: true,
		},
		"a certificate of another authority": {
			data:        with(func(d map[string][]byte) { d["tls.crt"], d["tls.key"] = second["tls.crt"], second["tls.key"] }),
			certificate: true,
		},
		"an authority without its key": {
			data: with(func(d map[string][]byte) { delete(d, "ca.key") }), authority: true, certificate: true,
		},
		"no PEM": {
			data: with(func(d map[string][]byte) { d["ca.crt"] = []byte("x") }), authority: true, certificate: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, now := newIssuer(), start.Add(tc.after)
			if tc.change != nil {
				tc.change(&issuer)
			}
			got, issued, err := issuer.Renew(tc.data, now)
			if err != nil {
				t.Fatal(err)
			}
			if issued != (tc.authority || tc.certificate) {
				t.Errorf("issued: %t", issued)
			}
			for key, isNew := range map[string]bool{
				"ca.crt": tc.authority, "ca.key": tc.authority, "tls.crt": tc.certificate, "tls.key": tc.certificate,
			} {
				if changed := string(got[key]) != string(tc.data[key]); changed != isNew {
					t.Errorf("%s: new %t, want %t", key, changed, isNew)
				}
			}
			verify(t, got, &issuer, now)
			if _, again, err := issuer.Renew(got, now); again || err != nil {
				t.Errorf("what was just issued: issued again %t, %v", again, err)
			}
			if due, err := issuer.Due(got); err != nil || !due.After(now) {
				t.Errorf("due %s, %v", due, err)
			}
		})
	}
}

// verify checks that the data holds a certificate for every name that does not outlive its authority.
func verify(t *testing.T, data map[string][]byte, issuer *Issuer, now time.Time) {
	t.Helper()
	issued, err := pairOf(data)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(issued.authority)
	leaf := issued.certificate.Leaf
	for _, name := range issuer.DNSNames {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, CurrentTime: now}); err != nil {
			t.Error(err)
		}
	}
	if leaf.NotAfter.After(issued.authority.NotAfter) {
		t.Errorf("valid until %s, its authority until %s", leaf.NotAfter, issued.authority.NotAfter)
	}
}

func TestDueReportsMissingData(t *testing.T) {
	issuer := newIssuer()
	for name, data := range map[string]map[string][]byte{
		"nothing": {}, "no certificate": {"ca.crt": issue(t, start)["ca.crt"]},
	} {
		if _, err := issuer.Due(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestExtend(t *testing.T) {
	authorityAt := func(at time.Time) *x509.Certificate {
		issuer := newIssuer()
		issued, err := issuer.factory().CreateCACert(at, at.Add(authorityValidity))
		if err != nil {
			t.Fatal(err)
		}
		return issued.Cert
	}
	old, older, issued := authorityAt(start.Add(-time.Hour)), authorityAt(start.Add(-2*time.Hour)), authorityAt(start)
	expired := authorityAt(start.Add(-authorityValidity - time.Minute))
	bundle := func(all ...*x509.Certificate) []byte {
		var text []byte
		for _, c := range all {
			text = append(text, extend(nil, c, start)...)
		}
		return text
	}
	for name, tc := range map[string]struct {
		bundle []byte
		want   []*x509.Certificate
	}{
		"empty":             {want: []*x509.Certificate{issued}},
		"there already":     {bundle: bundle(issued), want: []*x509.Certificate{issued}},
		"others stay":       {bundle: bundle(older, old), want: []*x509.Certificate{issued, old, older}},
		"the expired goes":  {bundle: bundle(expired, old), want: []*x509.Certificate{issued, old}},
		"it moves in front": {bundle: bundle(old, issued), want: []*x509.Certificate{issued, old}},
		"rubbish goes":      {bundle: append([]byte("rubbish\n"), bundle(old)...), want: []*x509.Certificate{issued, old}},
		"another PEM goes": {
			bundle: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), want: []*x509.Certificate{issued},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := extend(tc.bundle, issued, start)
			if diff := cmp.Diff(tc.want, certificates(got), cmp.Comparer((*x509.Certificate).Equal)); diff != "" {
				t.Errorf("unexpected bundle (-want +got):\n%s", diff)
			}
			if again := extend(got, issued, start); string(again) != string(got) {
				t.Error("extending it again changes it")
			}
		})
	}
	t.Run("it is bounded, and keeps the last", func(t *testing.T) {
		var text []byte
		for i := range mostAuthorities + 2 {
			c := authorityAt(start.Add(time.Duration(i-100) * time.Hour))
			text = extend(text, c, start)
		}
		if got := certificates(text); len(got) != mostAuthorities || !got[0].NotBefore.After(got[1].NotBefore) {
			t.Errorf("got %d", len(got))
		}
	})
}
