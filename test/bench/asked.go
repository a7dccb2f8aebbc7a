package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	questions = 1000
	batchOf   = 100

	evaluationPath  = "/" + organization + "/access/v1/evaluation"
	evaluationsPath = "/" + organization + "/access/v1/evaluations"
)

// opaPolicy answers from the documents of the organization, as in docs/documents.md.
const opaPolicy = `package access

default allow := false

allow if {
	document := data.documents[input.resource.id]
	entry := document.users[input.subject.id]
	not expired(entry)
	some role in document.roles
	role.name == entry.role
	input.action.name in role.permissions
}

expired(entry) if time.parse_rfc3339_ns(entry.notAfter) <= time.now_ns()
`

// asked are the decision point, and the servers that it is compared with: a bare handler and OPA. All of them have the
// same certificate and the same questions.
type asked struct {
	lab            *lab
	pdp            *cluster.Server
	others         []*cluster.Program
	token          string
	ours, bare     target
	opa            target
	batches        target
	certificateDir string
}

// openAsked starts the servers. The manager has to issue the certificate.
func (l *lab) openAsked(ctx context.Context) (_ *asked, err error) {
	if err := errors.Join(l.stop(), l.plane.InstallPDP(ctx)); err != nil {
		return nil, err
	}
	options := cluster.ManagerOptions{Args: slices.Concat(managerArgs, cluster.CertificateArgs)}
	if err := l.startWith(ctx, options); err != nil {
		return nil, err
	}
	a := &asked{lab: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	dir, authorities, err := l.plane.PDPCertificate(ctx)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		return nil, errors.New("the certificate authority of the decision point is not in PEM")
	}
	a.certificateDir = dir
	if err := a.startOurs(ctx); err != nil {
		return nil, err
	}
	a.ours = target{
		address: a.pdp.Address(),
		config:  &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
	}
	l.say.printf("pdp: building and starting the bare handler and OPA")
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if a.bare, err = a.start(ctx, program, func(address string) []string {
		return []string{"-" + answerFlag + "=" + address, "-" + certificatesFlag + "=" + dir}
	}); err != nil {
		return nil, err
	}
	if program, err = cluster.BuildProgram("opaserver", "test/formats", "./opaserver"); err != nil { //nolint:contextcheck // a build is shared
		return nil, err
	}
	if a.opa, err = a.start(ctx, program, func(address string) []string {
		return []string{address, filepath.Join(dir, corev1.TLSCertKey), filepath.Join(dir, corev1.TLSPrivateKeyKey)}
	}); err != nil {
		return nil, err
	}
	return a, a.load(ctx)
}

func (a *asked) startOurs(ctx context.Context) (err error) {
	kubeconfig, err := a.lab.plane.PDPKubeconfig(ctx)
	if err != nil {
		return err
	}
	if a.token, err = a.lab.plane.PDPToken(ctx); err != nil {
		return err
	}
	a.lab.say.printf("pdp: starting the decision point")
	a.pdp, err = a.lab.plane.StartPDP(ctx, cluster.ServerOptions{Kubeconfig: kubeconfig, CertificateDir: a.certificateDir})
	return err
}

// start starts another server, and returns when it accepts connections.
func (a *asked) start(ctx context.Context, program string, args func(address string) []string) (target, error) {
	t := target{config: a.ours.config}
	var err error
	if t.address, err = cluster.FreeWebhookAddress(ctx); err != nil {
		return t, err
	}
	started, err := a.lab.plane.StartProgram(ctx, program, nil, args(t.address))
	if err != nil {
		return t, err
	}
	a.others = append(a.others, started)
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		c, err := t.dial(ctx)
		if err == nil {
			c.close()
			return t, nil
		}
		if pause(ctx, pollInterval) != nil {
			return t, fmt.Errorf("%w; the end of its log:\n%s", err, started.LogTail())
		}
	}
}

func (a *asked) close() error {
	var failures []error
	for _, each := range a.others {
		failures = append(failures, each.Stop())
	}
	if a.pdp != nil {
		failures = append(failures, a.pdp.Kill())
	}
	return errors.Join(failures...)
}

// documentOf is the part of an application document that OPA needs.
type documentOf struct {
	Application string                     `json:"application"`
	Roles       json.RawMessage            `json:"roles"`
	Users       map[string]json.RawMessage `json:"users"`
}

// documents returns the published documents by application, with the users of all shards.
func (l *lab) documents(ctx context.Context) (map[string]*documentOf, error) {
	var list corev1.ConfigMapList
	err := l.admin.List(ctx, &list, client.InNamespace(organization),
		client.MatchingLabels{accessv1alpha1.LabelDocument: accessv1alpha1.DocumentApplication})
	if err != nil {
		return nil, fmt.Errorf("read the documents: %w", err)
	}
	all := map[string]*documentOf{}
	for i := range list.Items {
		var shard documentOf
		if err := json.Unmarshal([]byte(list.Items[i].Data["access.json"]), &shard); err != nil {
			return nil, fmt.Errorf("read document %s: %w", list.Items[i].Name, err)
		}
		whole := all[shard.Application]
		if whole == nil {
			all[shard.Application] = &shard
			continue
		}
		for user, entry := range shard.Users {
			whole.Users[user] = entry
		}
	}
	return all, nil
}

// load gives OPA the published documents and the policy, and makes the questions. Each user is asked about one of the
// user's own applications in every second question. It returns an error if the two servers decide differently.
func (a *asked) load(ctx context.Context) error {
	documents, err := a.lab.documents(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(documents)
	if err != nil {
		return err
	}
	loader, err := a.opa.dial(ctx)
	if err != nil {
		return err
	}
	defer loader.close()
	for _, request := range [][]byte{
		post(http.MethodPut, "/v1/data/documents", "", string(data)),
		bytes.Replace(post(http.MethodPut, "/v1/policies/access", "", opaPolicy), []byte("application/json"), []byte("text/plain"), 1),
	} {
		if _, err := loader.ask(request); err != nil {
			return fmt.Errorf("load OPA: %w", err)
		}
	}
	a.addQuestions(documents)
	return a.compare(ctx)
}

func (a *asked) addQuestions(documents map[string]*documentOf) {
	random := rand.New(rand.NewPCG(seed, 0))
	w := a.lab.world
	var bodies []string
	for n := range questions {
		user := w.users[random.IntN(len(w.users))]
		application := w.applications[random.IntN(len(w.applications))].Name
		if n%2 == 0 {
			for _, i := range random.Perm(len(w.applications)) {
				name := w.applications[i].Name
				if d := documents[name]; d != nil && d.Users[user] != nil {
					application = name
					break
				}
			}
		}
		body := evaluation(user, application, []string{"view", "edit"}[random.IntN(2)])
		bodies = append(bodies, body)
		a.ours.requests = append(a.ours.requests, post(http.MethodPost, evaluationPath, a.token, body))
		a.opa.requests = append(a.opa.requests, post(http.MethodPost, "/v1/data/access/allow", "", `{"input":`+body+`}`))
	}
	a.bare.requests = a.ours.requests
	a.batches = a.ours
	a.batches.requests = nil
	for i := 0; i+batchOf <= len(bodies); i += batchOf {
		body := `{"evaluations":[` + strings.Join(bodies[i:i+batchOf], ",") + `]}`
		a.batches.requests = append(a.batches.requests, post(http.MethodPost, evaluationsPath, a.token, body))
	}
}

// evaluation returns the body of a question.
func evaluation(user, application, permission string) string {
	return fmt.Sprintf(`{"subject":{"type":"user","id":%q},"action":{"name":%q},"resource":{"type":"application","id":%q}}`,
		user, permission, application)
}

var (
	permit    = []byte(`"decision":true`)
	opaPermit = []byte(`"result":true`)
)

// compare asks both servers every question once.
func (a *asked) compare(ctx context.Context) error {
	ours, err := a.ours.dial(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	opa, err := a.opa.dial(ctx)
	if err != nil {
		return err
	}
	defer opa.close()
	permits := 0
	for i := range a.ours.requests {
		answer, err := ours.ask(a.ours.requests[i])
		if err != nil {
			return fmt.Errorf("the decision point: %w", err)
		}
		other, err := opa.ask(a.opa.requests[i])
		if err != nil {
			return fmt.Errorf("OPA: %w", err)
		}
		permitted := bytes.Contains(answer, permit)
		if permitted != bytes.Contains(other, opaPermit) {
			return fmt.Errorf("the decision point and OPA differ: %s and %s, asked\n%s", answer, other, a.opa.requests[i])
		}
		if permitted {
			permits++
		}
	}
	a.lab.say.printf("pdp: OPA and the decision point agree on %d questions, of which %d are permitted", len(a.ours.requests), permits)
	if permits == 0 {
		return errors.New("no question is permitted, so the questions compare nothing")
	}
	return nil
}
