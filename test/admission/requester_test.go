package admission_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	accessGroup = "access.usher.dev"
	grantsGroup = "grants.access.usher.dev"
)

// controller-runtime complains if no logger is set when a client is created.
func init() { log.SetLogger(GinkgoLogr) }

// writing are the verbs that change objects. The verb "*" would include join and unprotect.
var writing = []string{"get", "list", "create", "update", "patch", "delete"}

// requester is an account that makes changes with RBAC permissions only.
type requester struct {
	client.Client

	name  string
	heard *heard
	// everything is true for the cluster's administrator.
	everything bool
}

// heard collects the warnings of the API server.
type heard struct {
	mu       sync.Mutex
	warnings []string
}

// HandleWarningHeader records a warning.
func (h *heard) HandleWarningHeader(_ int, _, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.warnings = append(h.warnings, text)
}

// take returns the warnings since the last call.
func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.warnings
	h.warnings = nil
	return taken
}

// newRequester creates a service account with permissions in its namespace, and a client with its token.
func newRequester(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) *requester {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(kube.Create(ctx, account)).To(Succeed())
	token := &authenticationv1.TokenRequest{}
	Expect(kube.SubResource("token").Create(ctx, account, token)).To(Succeed())
	config := rest.AnonymousClientConfig(plane.Config())
	config.BearerToken = token.Status.Token
	r := requesterOf(config, "system:serviceaccount:"+namespace+":"+name)
	if len(rules) > 0 {
		r.allow(ctx, namespace, rules...)
	}
	return r
}

// impersonated returns a requester that the cluster's administrator impersonates.
func impersonated(user string, groups ...string) *requester {
	GinkgoHelper()
	config := plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return requesterOf(config, user)
}

// administrator returns a requester who may do everything, as a member of system:masters.
func administrator() *requester {
	GinkgoHelper()
	r := requesterOf(plane.Config(), "the cluster's administrator")
	r.everything = true
	return r
}

func requesterOf(config *rest.Config, name string) *requester {
	GinkgoHelper()
	r := &requester{name: name, heard: &heard{}}
	config.QPS = -1
	config.WarningHandler = r.heard
	var err error
	r.Client, err = client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return r
}

func rule(group string, verbs, resources []string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Verbs: verbs, Resources: resources, ResourceNames: names}
}

func mayWrite(resources ...string) rbacv1.PolicyRule { return rule(accessGroup, writing, resources) }

func mayJoin(groups ...string) rbacv1.PolicyRule {
	return rule(accessGroup, []string{"join"}, []string{"accessgroups"}, groups...)
}

// mayGrant returns a rule that allows to grant the roles, or all roles if none is given.
func mayGrant(resources []string, roles ...string) rbacv1.PolicyRule {
	return rule(grantsGroup, []string{"grant"}, resources, roles...)
}

// allow grants permissions in one namespace, or in all if namespace is empty, and waits until they are effective.
func (r *requester) allow(ctx context.Context, namespace string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, GenerateName: "test-"}
	if namespace == "" {
		role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}
		Expect(kube.Create(ctx, role)).To(Succeed())
		DeferCleanup(drop, role)
		r.bind(ctx, namespace, "ClusterRole", role.Name)
	} else {
		role := &rbacv1.Role{ObjectMeta: meta, Rules: rules}
		Expect(kube.Create(ctx, role)).To(Succeed())
		r.bind(ctx, namespace, "Role", role.Name)
	}
	for i := range rules {
		Eventually(func() error { return r.holds(ctx, namespace, &rules[i]) }).WithContext(ctx).Should(Succeed())
	}
}

func drop(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, o)).To(Succeed())
}

// bind binds a role in one namespace, or in all.
func (r *requester) bind(ctx context.Context, namespace, kind, role string) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, GenerateName: "test-"}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: r.name}}
	if namespace != "" {
		Expect(kube.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})).To(Succeed())
		return
	}
	bound := &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	Expect(kube.Create(ctx, bound)).To(Succeed())
	DeferCleanup(drop, bound)
}

// holds reports whether the API server knows the rule.
func (r *requester) holds(ctx context.Context, namespace string, rule *rbacv1.PolicyRule) error {
	resource, subresource, _ := strings.Cut(rule.Resources[len(rule.Resources)-1], "/")
	name := ""
	if len(rule.ResourceNames) > 0 {
		name = rule.ResourceNames[0]
	}
	may, err := r.may(ctx, &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0],
		Resource: resource, Subresource: subresource, Name: name,
	})
	if err == nil && !may {
		err = fmt.Errorf("%s does not hold %v yet", r.name, rule)
	}
	return err
}

func (r *requester) may(ctx context.Context, what *authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: what},
	}
	err := r.Create(ctx, review)
	return review.Status.Allowed, err
}

// spoken is the output of a command.
type spoken struct{ stdout, stderr string }

// kubectl runs the real kubectl as the cluster's administrator, with --as for other users.
func kubectl(ctx context.Context, stdin string, args ...string) (*spoken, error) {
	args = append([]string{
		"--kubeconfig=" + plane.KubeconfigPath(), "--cache-dir=" + filepath.Join(plane.Dir(), "kubectl-cache"),
	}, args...)
	return run(exec.CommandContext(ctx, plane.KubectlPath(), args...), stdin)
}

// shell runs a command line that a message recommends.
func shell(ctx context.Context, line string) (*spoken, error) {
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Env = append(os.Environ(), "KUBECONFIG="+plane.KubeconfigPath(),
		"PATH="+filepath.Dir(plane.KubectlPath())+string(os.PathListSeparator)+os.Getenv("PATH"))
	return run(command, "")
}

func run(command *exec.Cmd, stdin string) (*spoken, error) {
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	said := &spoken{stdout.String(), stderr.String()}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, said.stderr)
	}
	return said, err
}

// shows runs a command line from a refusal. It reports whether the output shows that the requester has the right:
// kubectl answers yes, or lists it with the verb and the name.
func shows(ctx context.Context, line, verb, name string) (bool, error) {
	said, err := shell(ctx, line)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return false, err
	}
	if !strings.Contains(line, " --list ") {
		return strings.TrimSpace(said.stdout) == "yes", nil
	}
	for row := range strings.Lines(said.stdout) {
		if strings.Contains(row, name) && strings.Contains(row, "["+verb+"]") {
			return true, nil
		}
	}
	return false, nil
}

// instants maps placeholders for times in specs to seconds from now.
var instants = map[string]time.Duration{
	"$past": -time.Hour, "$soon": time.Minute, "$later": time.Hour, "$latest": 2 * time.Hour,
}

// expand replaces the placeholders for the organization and for instants in a text.
func expand(organization, text string) string {
	now := time.Now().UTC()
	pairs := []string{"$org", organization}
	for _, name := range slices.Sorted(maps.Keys(instants)) {
		pairs = append(pairs, name+"!", `"`+now.Add(instants[name]).Format(time.RFC3339)+`"`)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
