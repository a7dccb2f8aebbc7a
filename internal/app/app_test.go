package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// counted is a log value that counts how often it is encoded.
type counted struct{ encoded *int }

func (c counted) MarshalLogObject(to zapcore.ObjectEncoder) error {
	*c.encoded++
	to.AddString("name", "ana")
	return nil
}

func TestCommonFieldsAreEncodedLazily(t *testing.T) {
	core, lines := observer.New(zapcore.InfoLevel)
	encoded := 0
	encoding := zap.WrapCore(func(core zapcore.Core) zapcore.Core { return lazily(encodingCore{core}) })
	log := zap.New(core, encoding).With(zap.Inline(counted{&encoded})).With(zap.String("kind", "User"))
	log.Debug("Looked at")
	if encoded != 0 {
		t.Errorf("encoded %d times for a line that is not written", encoded)
	}
	log.Info("Written")
	log.Info("Written again")
	if encoded != 1 {
		t.Errorf("encoded %d times for two lines that share it, want once", encoded)
	}
	want := map[string]any{"name": "ana", "kind": "User"}
	for _, line := range lines.All() {
		if diff := cmp.Diff(want, line.ContextMap()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line.Message, diff)
		}
	}
	if lines.Len() != 2 {
		t.Errorf("%d lines instead of 2", lines.Len())
	}
}

// encodingCore encodes the values of With immediately, like the real core.
type encodingCore struct{ zapcore.Core }

func (c encodingCore) With(fields []zapcore.Field) zapcore.Core {
	text := zapcore.NewMapObjectEncoder()
	var kept []zapcore.Field
	for _, field := range fields {
		field.AddTo(text)
	}
	for key, value := range text.Fields {
		kept = append(kept, zap.Any(key, value))
	}
	return encodingCore{c.Core.With(kept)}
}
