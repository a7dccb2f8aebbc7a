package certificate

import (
	"strings"
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

// serves reports whether the replica serves the certificate in the data.
func serves(t *testing.T, s *Serving, data map[string][]byte) bool {
	t.Helper()
	certificate, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := pairOf(data)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Leaf.Equal(wanted.certificate.Leaf)
}

func TestServing(t *testing.T) {
	w := newWorld(t)
	s := w.serving()
	w.look(s)
	if _, err := s.GetCertificate(nil); err == nil {
		t.Error("serves something although there is nothing")
	}
	if s.Check(nil) == nil {
		t.Error("ready without a certificate")
	}

	first := issue(t, start)
	w.set(first, nil)
	w.look(s)
	if s.Check(nil) == nil {
		t.Error("ready although nobody trusts it")
	}

	w.set(first, first["ca.crt"])
	if result := w.look(s); result.RequeueAfter != 0 || !serves(t, s, first) {
		t.Error("waits with its first certificate")
	}
	if err := s.Check(nil); err != nil {
		t.Error(err)
	}

	t.Run("a renewed certificate at once", func(t *testing.T) {
		issuer := newIssuer()
		w.now = start.Add(validity * 3 / 4)
		renewed, _, err := issuer.Renew(first, w.now)
		if err != nil {
			t.Fatal(err)
		}
		w.set(renewed, first["ca.crt"])
		if w.look(s); !serves(t, s, renewed) {
			t.Error("serves the old one")
		}
		first = renewed
	})

	second := issue(t, w.now)
	t.Run("of another authority not before it is trusted", func(t *testing.T) {
		w.set(second, first["ca.crt"])
		if w.look(s); !serves(t, s, first) {
			t.Error("serves what nobody trusts")
		}
		if err := s.Check(nil); err != nil {
			t.Errorf("what is served is trusted, and yet: %v", err)
		}
		w.set(second, append(second["ca.crt"], first["ca.crt"]...))
		if result := w.look(s); result.RequeueAfter != s.Rest || !serves(t, s, first) {
			t.Errorf("looks again after %s", result.RequeueAfter)
		}
		w.now = w.now.Add(s.Rest - time.Second)
		if result := w.look(s); result.RequeueAfter != time.Second || !serves(t, s, first) {
			t.Errorf("looks again after %s", result.RequeueAfter)
		}
		w.now = w.now.Add(time.Second)
		if result := w.look(s); result.RequeueAfter != 0 || !serves(t, s, second) {
			t.Errorf("looks again after %s", result.RequeueAfter)
		}
	})
	t.Run("the old one where there is none", func(t *testing.T) {
		w.set(nil, second["ca.crt"])
		if w.look(s); !serves(t, s, second) {
			t.Error("does not serve it")
		}
	})
	t.Run("not ready where the bundle is lost", func(t *testing.T) {
		w.set(second, nil)
		w.look(s)
		if err := s.Check(nil); err == nil || !strings.Contains(err.Error(), "one.example") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an expired one does not wait", func(t *testing.T) {
		w.now = w.now.Add(2 * validity)
		third := issue(t, w.now)
		w.set(third, third["ca.crt"])
		if w.look(s); !serves(t, s, third) {
			t.Error("serves what has expired")
		}
	})
}

func TestServingFromFiles(t *testing.T) {
	w := newWorld(t)
	s := w.serving()
	s.Secret.Name, s.Secret.Namespace = "", ""
	w.look(s)
	if s.Check(nil) == nil {
		t.Error("ready without a bundle")
	}
	w.set(nil, issue(t, start)["ca.crt"])
	w.look(s)
	if err := s.Check(nil); err != nil {
		t.Error(err)
	}
	configuration := w.configuration()
	configuration.Webhooks = nil
	if err := w.Update(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	w.look(s)
	if s.Check(nil) == nil {
		t.Error("ready without webhooks")
	}
	if err := w.Delete(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err == nil || s.Check(nil) == nil {
		t.Errorf("ready without a configuration; %v", err)
	}
}
