package notices_test

import (
	"fmt"
	"net/http"

	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metric returns the sum of a metric of the manager for a type of channel.
func metric(name, channel string) (float64, error) {
	response, err := http.Get(manager.MetricsURL())
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return 0, err
	}
	family := families[name]
	if family == nil {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	sum := 0.0
	for _, m := range family.GetMetric() {
		if channel == "" || labelled(m, channel) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum, nil
}

func labelled(m *dto.Metric, channel string) bool {
	for _, label := range m.GetLabel() {
		if label.GetName() == "channel" && label.GetValue() == channel {
			return true
		}
	}
	return false
}

// waiting returns the number of notices that have not been delivered yet.
func waiting(g Gomega) float64 {
	count, err := metric("usher_notices_waiting", "")
	g.Expect(err).NotTo(HaveOccurred())
	return count
}
