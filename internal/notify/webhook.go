package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Headers of a signed post (Standard Webhooks, 1.0).
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// poster posts CloudEvents.
type poster struct {
	client *http.Client
	url    string
	key    []byte // nil: posts are not signed
	now    func() time.Time
}

func (c *channels) openWebhook(
	spec *accessv1alpha1.NotificationChannel, secret map[string][]byte, config *tls.Config,
) (sender, error) {
	if err := c.targets.checkURL(spec.Webhook.URL); err != nil {
		return nil, fmt.Errorf("webhook.url: %w", err)
	}
	p := &poster{client: c.targets.client(&http.Transport{TLSClientConfig: config}), url: spec.Webhook.URL, now: c.now}
	if text := string(secret[accessv1alpha1.ChannelKeySigningKey]); text != "" {
		var err error
		if p.key, err = signingKey(text); err != nil {
			return nil, fmt.Errorf("key %s of Secret %s: %w", accessv1alpha1.ChannelKeySigningKey, spec.SecretRef.Name, err)
		}
	}
	return p, nil
}

// checkURL holds an address to https, unless plaintext is allowed.
func (t *Targets) checkURL(url string) error {
	if strings.HasPrefix(url, "https://") || (t.Plaintext && strings.HasPrefix(url, "http://")) {
		return nil
	}
	return errors.New("it does not begin with https://, and plaintext is refused unless --notice-plaintext=Allowed")
}

// signingKey reads a key as Standard Webhooks writes it.
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

func (p *poster) send(ctx context.Context, n *Notice) (remark, err error) {
	body, err := encodeEvent(n)
	if err != nil {
		return nil, &noticeError{err: err, final: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("webhook.url: %w", err)
	}
	request.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	request.Header.Set("User-Agent", "Usher")
	p.sign(request.Header, n.ID, body)
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, response.Body) // for the connection to be used again; it is bounded
	_ = response.Body.Close()
	return nil, answer(response.StatusCode, http.StatusText(response.StatusCode))
}

func (p *poster) sign(header http.Header, id string, body []byte) {
	timestamp := strconv.FormatInt(p.now().Unix(), 10)
	header.Set(headerID, id)
	header.Set(headerTimestamp, timestamp)
	if p.key == nil {
		return
	}
	mac := hmac.New(sha256.New, p.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body) // a hash takes everything
	header.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// eventData is what an event says of a notice.
type eventData struct {
	Organization string       `json:"organization"`
	User         string       `json:"user,omitempty"`
	Changes      []Change     `json:"changes,omitempty"`
	Groups       []eventGroup `json:"groups,omitempty"`
	Digest       *Counts      `json:"digest,omitempty"`
}

type eventGroup struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Message   string `json:"message,omitempty"`
}

// eventTypes are the types of events by reason.
var eventTypes = map[Reason]string{
	ReasonChanged: "dev.usher.access.changed",
	ReasonAsked:   "dev.usher.access.told",
	ReasonDigest:  "dev.usher.access.digest",
}

// encodeEvent makes a CloudEvent, in JSON, of the notice.
func encodeEvent(n *Notice) ([]byte, error) {
	e := cloudevents.New()
	e.SetID(n.ID)
	e.SetType(eventTypes[n.Reason])
	e.SetSource("/organizations/" + n.Organization)
	if n.User != "" {
		e.SetSubject(n.User)
	}
	e.SetTime(n.At.UTC())
	data := eventData{Organization: n.Organization, User: n.User, Changes: n.Changes, Digest: n.Digest}
	for i := range n.Groups {
		data.Groups = append(data.Groups, eventGroup{n.Groups[i].Namespace, n.Groups[i].Name, n.Groups[i].Message})
	}
	if err := e.SetData(cloudevents.ApplicationJSON, data); err != nil {
		return nil, fmt.Errorf("making the event: %w", err)
	}
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("making the event: %w", err)
	}
	return json.Marshal(e)
}
