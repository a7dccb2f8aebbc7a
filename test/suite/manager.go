package suite

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/cluster"
)

// Manager is the manager of a suite. Specs may replace the process.
type Manager struct {
	*cluster.Manager

	plane   *cluster.Cluster
	options cluster.ManagerOptions
}

// RunManager starts the manager, which ends with the suite.
func RunManager(ctx context.Context, plane *cluster.Cluster, options cluster.ManagerOptions) *Manager {
	GinkgoHelper()
	m := &Manager{plane: plane, options: options}
	m.Start(ctx)
	DeferCleanup(func() error { return m.Stop() })
	return m
}

// Options returns the options of the suite with additional flags, which override the others.
func (m *Manager) Options(args ...string) cluster.ManagerOptions {
	options := m.options
	options.Args = append(append([]string{}, options.Args...), args...)
	return options
}

// Start starts a process instead of one that has ended, with additional flags.
func (m *Manager) Start(ctx context.Context, args ...string) {
	GinkgoHelper()
	started, err := m.plane.StartManager(ctx, m.Options(args...))
	Expect(err).NotTo(HaveOccurred())
	m.Manager = started
}

// Restart kills the process and starts another one with additional flags.
func (m *Manager) Restart(ctx context.Context, args ...string) {
	GinkgoHelper()
	Expect(m.Kill()).To(Succeed())
	m.Start(ctx, args...)
}

// Replace runs a process with additional flags until the end of the spec or container.
func (m *Manager) Replace(ctx context.Context, args ...string) {
	GinkgoHelper()
	Expect(m.Stop()).To(Succeed())
	m.Start(ctx, args...)
	DeferCleanup(func(ctx SpecContext) { m.Restart(ctx) }) //nolint:contextcheck // a cleanup has its own context
}

// Revive starts the process again if it has ended. Called before each spec, it keeps a spec that failed without a
// manager from failing the following ones.
func (m *Manager) Revive(ctx context.Context) {
	GinkgoHelper()
	select {
	case <-m.Done():
		m.Start(ctx)
	default:
	}
}

// Log is the log of a process. cluster.Manager, cluster.Server and cluster.Program have one.
type Log interface{ LogTail() string }

// ReportLog adds the end of the log to the report of a spec that failed.
func ReportLog(of string, log Log) {
	if CurrentSpecReport().Failed() {
		AddReportEntry("the end of the log of "+of, log.LogTail())
	}
}
