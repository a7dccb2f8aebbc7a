package app

import (
	"net/http"
	"sync"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// reported returns the check. It logs why the check fails, once for each reason, and when the check passes again.
func reported(log logr.Logger, name string, check healthz.Checker) healthz.Checker {
	log = log.WithName("health").WithValues("check", name)
	var mu sync.Mutex
	last := ""
	return func(request *http.Request) error {
		err := check(request)
		reason := ""
		if err != nil {
			reason = err.Error()
		}
		mu.Lock()
		defer mu.Unlock()
		if reason == last {
			return err
		}
		last = reason
		if err != nil {
			log.Info("The health check fails", "reason", reason)
		} else {
			log.Info("The health check passes")
		}
		return err
	}
}

// probeLogger is the name of the logger with which controller-runtime logs failed probes. It logs them at every probe,
// without the names of the checks and without reasons. The lines of [reported] have both.
const probeLogger = "controller-runtime.healthz"

// withoutProbes returns a core that writes no lines of [probeLogger].
func withoutProbes(core zapcore.Core) zapcore.Core { return probelessCore{core} }

type probelessCore struct{ zapcore.Core }

// With returns a core that adds the fields to its lines.
func (c probelessCore) With(fields []zapcore.Field) zapcore.Core {
	return probelessCore{c.Core.With(fields)}
}

// Check adds the core to the entry if the core writes it.
func (c probelessCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.LoggerName == probeLogger {
		return checked
	}
	return c.Core.Check(entry, checked)
}
