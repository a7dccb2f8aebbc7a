package validation_test

import (
	"encoding/json"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// FuzzJudge judges a request with two objects of one kind, name and namespace but otherwise arbitrary content, in
// a small fixed world. There must be an answer, and the roster must not change. The schema and CEL are not
// applied: objects that they refuse must do no harm either.
func FuzzJudge(f *testing.F) {
	seed := func(kind, what byte, old, made any) {
		was, _ := json.Marshal(old)
		is, _ := json.Marshal(made)
		f.Add(kind, what, was, is)
	}
	w := rostertest.NewWorld(1, 31)
	for range 24 {
		old := w.Object()
		seed(kindOf(old), byte(w.IntN(256)), old, w.Another(old))
	}
	seed(3, 0, nil, map[string]any{"metadata": map[string]any{"name": "other", "namespace": "acme"}})
	f.Add(byte(0), byte(0), []byte(`{"spec":{"members":[{"user":""},{"user":""}],"memberGroups":["",""]}}`),
		[]byte(`{"spec":{"memberSelector":{"matchExpressions":[{"key":" ","operator":"?"}]}}}`))
	f.Add(byte(1), byte(0), []byte(`{"spec":{"user":"a"}}`), []byte(`{"spec":{"user":"b","notBefore":"2027-01-01T00:00:00Z","notAfter":"2026-01-01T00:00:00Z"}}`))
	f.Add(byte(0), byte(0),
		[]byte(`{"spec":{"applicationSelectors":[{"selector":{}},{"selector":{"matchExpressions":[{"key":" ","operator":"?"}]},"role":"Viewer"}]}}`),
		[]byte(`{"spec":{"review":{"everyDays":2147483647,"ifMissed":"End"},"reviewedAt":"1970-01-01T00:00:00Z","dataPermissions":[{`+
			`"application":"*","anyOf":[{"allOf":[{"attribute":"a","operator":"LessThan","values":["1"],"userAttribute":"b"}]}]}]}}`))
	f.Add(byte(0), byte(1), []byte(`{}`), []byte(`{"metadata":{"namespace":"access-system"},"spec":{"type":"System","systemAccessSelectors":[`+
		`{"selector":{"matchLabels":{"stage":"prod"}},"role":"Observer","applicationSelectors":[{"selector":{},"role":""}]}]}}`))
	f.Add(byte(1), byte(0), []byte(`{"spec":{"user":"ana","attributes":[{"name":"countries"},{"name":"countries","values":["France"]}]}}`),
		[]byte(`{"spec":{"user":"ana","attributes":[{"name":"","values":["",""]}],"applicationSelectors":[{"selector":{"matchLabels":{"team":"one"}},"role":"Owner"}]}}`))
	f.Add(byte(2), byte(0), []byte(`{"metadata":{"name":"red"}}`), []byte(`{"metadata":{"name":"red","labels":{"team":"one","":""}}}`))
	f.Fuzz(func(t *testing.T, kind, what byte, before, after []byte) {
		p := newPlay(t, 1, 33, 20)
		old, made := decoded(kind, before), decoded(kind, after)
		request := &validation.Request{Old: old, New: made, Lingers: what&4 != 0, Now: p.now}
		switch what & 3 {
		case 1:
			request.Old = nil
		case 2:
			request.New = nil
		default:
			made.SetNamespace(old.GetNamespace())
			made.SetName(old.GetName())
		}
		j := p.judge(&change{request: request})
		for _, r := range j.Rights {
			if len(r.AnyOf) == 0 || r.Reason == "" || r.Field == nil {
				t.Errorf("a right that nobody can act on: %+v", r)
			}
		}
		p.unchanged("fuzz")
	})
}

func empty(kind byte) client.Object {
	return []client.Object{
		&accessv1alpha1.AccessGroup{}, &accessv1alpha1.UserAccess{}, &accessv1alpha1.ApplicationAccess{}, &accessv1alpha1.AccessPolicy{},
	}[kind%4]
}

func kindOf(o client.Object) byte {
	switch o.(type) {
	case *accessv1alpha1.AccessGroup:
		return 0
	case *accessv1alpha1.UserAccess:
		return 1
	case *accessv1alpha1.ApplicationAccess:
		return 2
	default:
		return 3
	}
}

// decoded returns an object of the kind, decoded from the bytes as far as possible.
func decoded(kind byte, data []byte) client.Object {
	o := empty(kind)
	if err := json.Unmarshal(data, o); err != nil {
		o = empty(kind)
	}
	if o.GetNamespace() == "" {
		o.SetNamespace("acme")
	}
	if o.GetName() == "" {
		o.SetName("g1")
	}
	return o
}
