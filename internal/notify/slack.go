package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	neturl "net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// slacker posts to an incoming webhook of Slack.
type slacker struct {
	client *http.Client
	url    string
}

func (c *channels) openSlack(secret map[string][]byte, config *tls.Config) (sender, error) {
	url := strings.TrimSpace(string(secret[accessv1alpha1.ChannelKeyURL]))
	if url == "" {
		return nil, fmt.Errorf("the Secret has no key %s: the address of the incoming webhook", accessv1alpha1.ChannelKeyURL)
	}
	if err := c.targets.checkURL(url); err != nil {
		return nil, fmt.Errorf("key %s of the Secret: %w", accessv1alpha1.ChannelKeyURL, err)
	}
	return &slacker{client: c.targets.client(&http.Transport{TLSClientConfig: config}), url: url}, nil
}

func (s *slacker) send(ctx context.Context, n *Notice) (remark, err error) {
	err = slack.PostWebhookCustomHTTPContext(ctx, s.url, s.client, &slack.WebhookMessage{Text: slackText(n)})
	var status slack.StatusCodeError
	var limited *slack.RateLimitedError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &limited):
		return nil, &waitError{err: errors.New("slack asks for fewer posts"), wait: max(limited.RetryAfter, firstPause)}
	case errors.As(err, &status):
		return nil, answer(status.Code, http.StatusText(status.Code))
	default:
		return nil, withoutURL(err, s.url)
	}
}

func (s *slacker) close() { s.client.CloseIdleConnections() }

// waitError says when a receiver wants to hear of the channel again.
type waitError struct {
	err  error
	wait time.Duration
}

// Error returns what the receiver said.
func (e *waitError) Error() string { return e.err.Error() }

// hiddenError is an error without the address, which is a secret.
type hiddenError struct {
	err error
	url string
}

// withoutURL leaves out what net/http wraps around an error to name the address, which it may write in another way than
// the Secret does.
func withoutURL(err error, url string) error {
	var of *neturl.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &hiddenError{err, url}
}

// Error returns the text with the address left out.
func (e *hiddenError) Error() string {
	return strings.ReplaceAll(e.err.Error(), e.url, "(the address)")
}

// Unwrap returns the error.
func (e *hiddenError) Unwrap() error { return e.err }

// mostLines and mostMessages keep a post readable, and within the 40,000 characters that Slack takes.
const (
	mostLines    = 40
	mostMessages = 10
)

// slackText says the notice in the third person: others read along.
func slackText(n *Notice) string {
	v := viewOf(n)
	var b strings.Builder
	if n.Digest != nil {
		fmt.Fprintf(&b, "Access of *%d people* in *%s* has changed: %d were given a role, %d have another role or end, %d have a role less.",
			n.Digest.Users, escapeSlack(v.Organization), n.Digest.Granted, n.Digest.Changed, n.Digest.Revoked)
		return b.String()
	}
	fmt.Fprintf(&b, "*%s*", escapeSlack(v.Name))
	if v.Name != v.User {
		fmt.Fprintf(&b, " (%s)", escapeSlack(v.User))
	}
	fmt.Fprintf(&b, ", access in *%s*:", escapeSlack(v.Organization))
	lines := 0
	for _, c := range n.Changes {
		if lines == mostLines {
			fmt.Fprintf(&b, "\n• and %d more", len(n.Changes)-lines)
			break
		}
		lines++
		fmt.Fprintf(&b, "\n• %s", escapeSlack(slackLine(&c)))
	}
	if len(n.Changes) == 0 {
		b.WriteString(" none")
	}
	for i, message := range v.Messages {
		if i == mostMessages {
			fmt.Fprintf(&b, "\nand %d more messages of groups", len(v.Messages)-i)
			break
		}
		b.WriteString("\n" + escapeSlack(message))
	}
	return b.String()
}

func slackLine(c *Change) string {
	line := lineOf(c)
	text := line.Where + ": "
	switch c.Kind {
	case Granted, Unchanged:
		text += c.After
	case Expiring:
		text += c.Before + " is about to end"
	default:
		text += c.Before + " → " + c.After
	}
	if line.Until != "" {
		text += ", until " + line.Until
	}
	if line.By != "" {
		text += ", by " + line.By
	}
	return text
}

// escapeSlack returns the text on one line, with nothing in it that Slack reads as a link, a mention or bold or code.
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "ˋ").Replace(strings.Join(strings.Fields(text), " "))
}
