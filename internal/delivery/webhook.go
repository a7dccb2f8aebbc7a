package delivery

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/mailtext"
)

var webhookType = Type{
	Name: accessv1alpha1.ChannelTypeWebhook, Open: openWebhook,
	Target: func(spec *accessv1alpha1.NotificationChannel) (key, target string) {
		return accessv1alpha1.ChannelKeyURL, spec.Webhook.URL
	},
}

// Headers of a signed request (Standard Webhooks, 1.0).
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// poster posts CloudEvents to a URL.
type poster struct {
	client *http.Client
	url    string
	key    []byte // nil: requests are not signed
	now    func() time.Time
}

func openWebhook(c *Connection) (Sender, error) {
	url := c.Spec.Webhook.URL
	if err := c.Targets.CheckURL(url); err != nil {
		return nil, fmt.Errorf("webhook.url: %w", err)
	}
	p := &poster{client: c.Targets.Client(c.TLS), url: url, now: c.Now}
	if text := string(c.Secret[accessv1alpha1.ChannelKeySigningKey]); text != "" {
		var err error
		if p.key, err = signingKey(text); err != nil {
			return nil, fmt.Errorf("key %s of Secret %s: %w", accessv1alpha1.ChannelKeySigningKey, c.Spec.SecretRef.Name, err)
		}
	}
	return p, nil
}

// signingKey decodes a key in the format of Standard Webhooks.
func signingKey(text string) ([]byte, error) {
	encoded, found := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	if !found {
		return nil, errors.New(`it must begin with "whsec_"`)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf(`what follows "whsec_" must be base64: %w`, err)
	}
	const shortest, longest = 24, 64
	if len(key) < shortest || len(key) > longest {
		return nil, fmt.Errorf("it has %d bytes, and must have %d to %d", len(key), shortest, longest)
	}
	return key, nil
}

// Send posts an event.
func (p *poster) Send(ctx context.Context, n *Notice) (remark, err error) {
	body, err := encodeEvent(n)
	if err != nil {
		return nil, &NoticeError{Err: err, Final: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("webhook.url: %w", err)
	}
	request.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	request.Header.Set("User-Agent", "Usher")
	p.sign(request.Header, n.ID, body)
	return nil, post(p.client, request)
}

func (p *poster) sign(header http.Header, id string, body []byte) {
	timestamp := strconv.FormatInt(p.now().Unix(), 10)
	header.Set(headerID, id)
	header.Set(headerTimestamp, timestamp)
	if p.key == nil {
		return
	}
	mac := hmac.New(sha256.New, p.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body) // a hash never fails
	header.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// Close closes idle connections.
func (p *poster) Close() { p.client.CloseIdleConnections() }

// eventData is the data of a CloudEvent.
type eventData struct {
	Organization string           `json:"organization"`
	User         string           `json:"user,omitempty"`
	Changes      []Change         `json:"changes,omitempty"`
	Groups       []Group          `json:"groups,omitempty"`
	Digest       *mailtext.Counts `json:"digest,omitempty"`
	Reviews      []Review         `json:"reviews,omitempty"`
	MoreReviews  int              `json:"moreReviews,omitempty"`
}

// eventTypes are the types of CloudEvents.
var eventTypes = map[Reason]string{
	ReasonChanged: "dev.usher.access.changed",
	ReasonAsked:   "dev.usher.access.told",
	ReasonDigest:  "dev.usher.access.digest",
	ReasonReview:  "dev.usher.access.review",
}

// encodeEvent returns the notice as a CloudEvent in JSON.
func encodeEvent(n *Notice) ([]byte, error) {
	e := cloudevents.New()
	e.SetID(n.ID)
	e.SetType(eventTypes[n.Reason])
	e.SetSource("/organizations/" + n.Organization)
	if n.User != "" { // a subject must not be empty
		e.SetSubject(n.User)
	}
	e.SetTime(n.At.UTC())
	data := eventData{n.Organization, n.User, n.Changes, n.Groups, n.Digest, n.Reviews, n.MoreReviews}
	if err := errors.Join(e.SetData(cloudevents.ApplicationJSON, data), e.Validate()); err != nil {
		return nil, fmt.Errorf("encoding the event: %w", err)
	}
	return json.Marshal(e)
}
