package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// contenders send admission reviews to the manager, like the API server for dry runs of edits of one group.
type contenders struct {
	group     *accessv1alpha1.AccessGroup
	small     *reviewer
	large     []*reviewer
	largeBody []byte
	next      int // counts the users who are added by reviews of one member

	mu      sync.Mutex
	refused []string // answers other than an approval
}

func (l *lab) newContenders(ctx context.Context) (*contenders, error) {
	c := &contenders{group: &accessv1alpha1.AccessGroup{}}
	// Nobody edits this group meanwhile, so the old object of a review is the one that the manager has.
	key := client.ObjectKey{Namespace: organization, Name: l.world.waves[0].group}
	if err := l.admin.Get(ctx, key, c.group); err != nil {
		return nil, fmt.Errorf("read the group that is reviewed: %w", err)
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := l.admin.Get(ctx, client.ObjectKey{Name: webhookConfiguration}, configuration); err != nil {
		return nil, fmt.Errorf("find the webhook: %w", err)
	}
	calls := configuration.Webhooks[0].ClientConfig
	if calls.URL == nil {
		return nil, fmt.Errorf("webhook %s is not called by URL", configuration.Webhooks[0].Name)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(calls.CABundle) {
		return nil, fmt.Errorf("webhook %s has no CA bundle", configuration.Webhooks[0].Name)
	}
	// The webhook bounds the concurrent requests of one address. Each reviewer has its own address.
	address := byte(1)
	reviewer := func() *reviewer {
		address++
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, address)}}
		manager := l.manager.WebhookAddress()
		return &reviewer{refused: c.refuse, url: *calls.URL, client: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, manager)
			},
		}}}
	}
	c.small = reviewer()
	for range largeAtOnce {
		c.large = append(c.large, reviewer())
	}
	var err error
	c.largeBody, err = c.body(l.world.group(l.world.largest().group).Spec.Members)
	return c, err
}

func (c *contenders) refuse(answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, answer)
}

// unanswered returns the answers other than an approval.
func (c *contenders) unanswered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// oneMemberBody returns a review of an edit that adds one member, or removes an existing member.
func (c *contenders) oneMemberBody(user string) ([]byte, error) {
	members := slices.DeleteFunc(slices.Clone(c.group.Spec.Members), func(m accessv1alpha1.Member) bool {
		return string(m.User) == user
	})
	if len(members) == len(c.group.Spec.Members) {
		members = append(members, member(user))
	}
	return c.body(members)
}

// body returns a review of an edit after which the group has these members.
func (c *contenders) body(members []accessv1alpha1.Member) ([]byte, error) {
	gvk := accessv1alpha1.GroupVersion.WithKind("AccessGroup")
	old, updated := c.group.DeepCopy(), c.group.DeepCopy()
	old.SetGroupVersionKind(gvk)
	updated.SetGroupVersionKind(gvk)
	updated.Generation++
	updated.Spec.Members = members
	gvr := resourceOf(groupAccess)
	request := &admissionv1.AdmissionRequest{
		UID: types.UID("bench"), Kind: metav1.GroupVersionKind(gvk), Resource: metav1.GroupVersionResource(gvr),
		Namespace: old.Namespace, Name: old.Name, Operation: admissionv1.Update,
		UserInfo: authenticationv1.UserInfo{Username: editor, Groups: []string{"system:authenticated"}},
		DryRun:   new(true),
	}
	for into, o := range map[*runtime.RawExtension]client.Object{&request.OldObject: old, &request.Object: updated} {
		text, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("write a review: %w", err)
		}
		into.Raw = text
	}
	body, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Request: request,
	})
	if err != nil {
		return nil, fmt.Errorf("write a review: %w", err)
	}
	return body, nil
}

// reviewer sends reviews to the manager over its own connection.
type reviewer struct {
	client  *http.Client
	url     string
	refused func(answer string)
}

// review sends a review and returns the time until the answer. It records answers other than an approval.
func (r *reviewer) review(ctx context.Context, body []byte) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send a review: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	began := time.Now()
	response, err := r.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("send a review: %w", err)
	}
	text, err := io.ReadAll(response.Body)
	took := time.Since(began)
	_ = response.Body.Close()
	if err != nil {
		return 0, fmt.Errorf("read the answer to a review: %w", err)
	}
	if answer := refusal(response.StatusCode, text); answer != "" {
		r.refused(answer)
	}
	return took, nil
}

// refusal returns the answer if it is not an approval, or "".
func refusal(status int, text []byte) string {
	answer := &admissionv1.AdmissionReview{}
	if status != http.StatusOK || json.Unmarshal(text, answer) != nil || answer.Response == nil {
		return fmt.Sprintf("status %d: %.200s", status, text)
	}
	if answer.Response.Allowed {
		return ""
	}
	if answer.Response.Result == nil {
		return "refused without a reason"
	}
	return fmt.Sprintf("%d: %.200s", answer.Response.Result.Code, answer.Response.Result.Message)
}
