package certificate

import (
	"crypto/x509"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const configurationName = "configuration"

var secretKey = client.ObjectKey{Namespace: "usher-system", Name: "certificate"}

// world is an installation with a clock.
type world struct {
	client.Client

	t        *testing.T
	now      time.Time
	rotation *Rotation
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: start, Client: fake.NewClientBuilder().WithObjects(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secretKey.Namespace, Name: secretKey.Name}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: configurationName},
			Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "one.example"}, {Name: "two.example"}},
		},
	).Build()}
	w.rotation = &Rotation{
		Client: w.Client, Issuer: newIssuer(), Secret: secretKey, Configuration: configurationName, Now: w.clock,
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) serving() *Serving {
	return &Serving{
		Reader: w.Client, Secret: secretKey, Configuration: configurationName, Rest: 10 * time.Second, Now: w.clock,
	}
}

func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	found := &corev1.Secret{}
	if err := w.Get(w.t.Context(), secretKey, found); err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	w.t.Helper()
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Name: configurationName}, found); err != nil {
		w.t.Fatal(err)
	}
	return found
}

// set changes the data of the Secret and the bundle as a third party would.
func (w *world) set(data map[string][]byte, bundle []byte) {
	w.t.Helper()
	secret, configuration := w.secret(), w.configuration()
	secret.Data = data
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = bundle
	}
	for _, o := range []client.Object{secret, configuration} {
		if err := w.Update(w.t.Context(), o); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) rotate() ctrl.Result {
	w.t.Helper()
	result, err := w.rotation.Reconcile(w.t.Context(), ctrl.Request{})
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) look(s *Serving) ctrl.Result {
	w.t.Helper()
	result, err := s.Reconcile(w.t.Context(), ctrl.Request{})
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// trusted fails unless an API server with the bundle trusts the certificate of the replica.
func (w *world) trusted(s *Serving) {
	w.t.Helper()
	certificate, err := s.GetCertificate(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, hook := range w.configuration().Webhooks {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(hook.ClientConfig.CABundle)
		if _, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: w.now}); err != nil {
			w.t.Fatalf("webhook %s: %v", hook.Name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	result := w.rotate()
	issued := w.secret()
	if _, err := pairOf(issued.Data); err != nil {
		t.Fatal(err)
	}
	if result.RequeueAfter != longestRest {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
	bundled := w.configuration()
	for _, hook := range bundled.Webhooks {
		if string(hook.ClientConfig.CABundle) != string(issued.Data["ca.crt"]) {
			t.Errorf("webhook %s has the bundle %q", hook.Name, hook.ClientConfig.CABundle)
		}
	}

	w.rotate()
	if w.secret().ResourceVersion != issued.ResourceVersion || w.configuration().ResourceVersion != bundled.ResourceVersion {
		t.Error("wrote what had not changed")
	}

	w.set(issued.Data, nil)
	w.rotate()
	if string(w.configuration().Webhooks[1].ClientConfig.CABundle) != string(issued.Data["ca.crt"]) {
		t.Error("the bundle that somebody emptied stays empty")
	}

	w.now = start.Add(validity*2/3 - time.Second)
	if due := w.rotate().RequeueAfter; due != time.Second {
		t.Errorf("due in %s", due)
	}
	w.now = w.now.Add(2 * time.Second)
	w.rotate()
	if renewed := w.secret(); string(renewed.Data["tls.crt"]) == string(issued.Data["tls.crt"]) {
		t.Error("not renewed when it was due")
	}
}

func TestRotationReportsMissingObjects(t *testing.T) {
	for name, tc := range map[string]struct {
		missing func(*world) client.Object
		want    string
	}{
		"the Secret":        {func(w *world) client.Object { return w.secret() }, "Secret usher-system/certificate"},
		"the configuration": {func(w *world) client.Object { return w.configuration() }, "ValidatingWebhookConfiguration configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.Delete(t.Context(), tc.missing(w)); err != nil {
				t.Fatal(err)
			}
			_, err := w.rotation.Reconcile(t.Context(), ctrl.Request{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The next action of the leader or a replica is random. In any order, the current bundle must trust every served
// certificate.
func TestServedCertificateIsTrusted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	w.rotate()
	replicas := []*Serving{w.serving(), w.serving(), w.serving()}
	for _, s := range replicas {
		w.look(s)
	}
	authorities := map[string]bool{}
	for range 150 {
		switch random.IntN(8) {
		case 0:
			w.rotate()
		case 1:
			w.now = w.now.Add(time.Duration(random.IntN(int(validity / 20))))
			w.rotate() // the leader is never delayed by a third of a validity
		case 2:
			if len(authorities) < mostAuthorities-1 {
				w.set(nil, w.configuration().Webhooks[0].ClientConfig.CABundle)
			}
		case 3:
			w.now = w.now.Add(time.Duration(random.IntN(int(20 * time.Second))))
		default:
			w.look(replicas[random.IntN(len(replicas))])
		}
		authorities[string(w.secret().Data["ca.crt"])] = true
		for _, s := range replicas {
			if certificate, _ := s.GetCertificate(nil); !w.now.Before(certificate.Leaf.NotAfter) {
				w.rotate()
				w.look(s) // as in a real replica, which receives an event for every renewal
				w.look(s)
			}
			w.trusted(s)
		}
	}
	if len(authorities) < 3 {
		t.Errorf("only %d authorities came by", len(authorities))
	}
}
