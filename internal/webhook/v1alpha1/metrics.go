package v1alpha1

import "github.com/prometheus/client_golang/prometheus"

const (
	resultAllowed = "allowed"
	resultRefused = "refused"
	resultError   = "error"
)

// outcome is the result of an admission request, as metrics count it.
type outcome string

// The outcomes. If there are several reasons to refuse, the first one counts.
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

// Metrics counts the access reviews and the answers of the webhook. controller-runtime measures their duration.
type Metrics struct {
	reviews *prometheus.CounterVec
	answers *prometheus.CounterVec
}

// NewMetrics returns the metrics and registers them.
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
	// Export 0 for results that have not occurred yet, so that an alert sees the first one.
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
