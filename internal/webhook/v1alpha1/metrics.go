package v1alpha1

import "github.com/prometheus/client_golang/prometheus"

const (
	resultAllowed = "allowed"
	resultRefused = "refused"
	resultError   = "error"
)

// outcome is what an answer comes to, for counting.
type outcome string

// The outcomes, of several reasons to refuse the first.
const (
	outcomeAllowed     outcome = "Allowed"
	outcomeWarned      outcome = "Warned"
	outcomeInvalid     outcome = "Invalid"     // by the object alone
	outcomeForbidden   outcome = "Forbidden"   // a right is missing
	outcomeBraked      outcome = "Braked"      // too many would lose their access
	outcomeConflicting outcome = "Conflicting" // with other objects, where crossObjectChecks says Deny
	outcomeError       outcome = "Error"       // there is no answer
)

var outcomes = []outcome{
	outcomeAllowed, outcomeWarned, outcomeInvalid, outcomeForbidden, outcomeBraked, outcomeConflicting, outcomeError,
}

// Metrics counts what the webhook asks, and what it answers. How long that takes, controller-runtime measures.
type Metrics struct {
	reviews *prometheus.CounterVec
	answers *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_access_reviews_total",
			Help: "Subject access reviews that admission asked for, by result.",
		}, []string{"result"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_admission_answers_total",
			Help: "Admission requests by what was answered, dry runs included.",
		}, []string{"answer"}),
	}
	registry.MustRegister(m.reviews, m.answers)
	// What has not happened yet is none, not nothing: an alert sees the first time.
	for _, each := range []string{resultAllowed, resultRefused, resultError} {
		m.reviews.WithLabelValues(each)
	}
	for _, each := range outcomes {
		m.answers.WithLabelValues(string(each))
	}
	return m
}

func (m *Metrics) reviewed(result string) { m.reviews.WithLabelValues(result).Inc() }

func (m *Metrics) answered(with outcome) { m.answers.WithLabelValues(string(with)).Inc() }
