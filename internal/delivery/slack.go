package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	neturl "net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

var slackType = Type{
	Name: accessv1alpha1.ChannelTypeSlack, Open: openSlack,
	Target: func(*accessv1alpha1.NotificationChannel) (key, target string) { return "", "" },
}

// slacker posts to an incoming webhook of Slack.
type slacker struct {
	client *http.Client
	url    string
}

func openSlack(c *Connection) (Sender, error) {
	url := strings.TrimSpace(string(c.Secret[accessv1alpha1.ChannelKeyURL]))
	if url == "" {
		return nil, fmt.Errorf("the Secret has no key %s: the address of the incoming webhook", accessv1alpha1.ChannelKeyURL)
	}
	if err := c.Targets.CheckURL(url); err != nil {
		return nil, fmt.Errorf("key %s of the Secret: %w", accessv1alpha1.ChannelKeyURL, err)
	}
	return &slacker{client: c.Targets.Client(c.TLS), url: url}, nil
}

// Send posts to the channel in Slack.
func (s *slacker) Send(ctx context.Context, n *Notice) (remark, err error) {
	err = slack.PostWebhookCustomHTTPContext(ctx, s.url, s.client, &slack.WebhookMessage{Text: slackText(n)})
	var status slack.StatusCodeError
	var limited *slack.RateLimitedError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &limited):
		return nil, &WaitError{Err: errors.New("slack asks for fewer posts"), Wait: max(limited.RetryAfter, time.Second)}
	case errors.As(err, &status):
		return nil, answer(status.Code, http.StatusText(status.Code))
	default:
		return nil, withoutURL(err, s.url)
	}
}

// Close closes idle connections.
func (s *slacker) Close() { s.client.CloseIdleConnections() }

// hiddenError is an error whose message omits the URL, which is a secret.
type hiddenError struct {
	error

	url string
}

// withoutURL hides the URL in an error. It removes the wrapper of net/http, which may spell the URL differently.
func withoutURL(err error, url string) error {
	var wrapper *neturl.Error
	if errors.As(err, &wrapper) {
		err = wrapper.Err
	}
	return &hiddenError{err, url}
}

// Error returns the message without the URL.
func (e *hiddenError) Error() string {
	return strings.ReplaceAll(e.error.Error(), e.url, "(the address)")
}

// Unwrap returns the cause.
func (e *hiddenError) Unwrap() error { return e.error }

// mostLines and mostMessages keep a post readable and below Slack's limit of 40,000 characters.
const (
	mostLines    = 40
	mostMessages = 10
)

// slackText returns the notice in the third person, because other people read the channel.
func slackText(n *Notice) string {
	v := viewOf(n)
	var b strings.Builder
	if n.Digest != nil {
		fmt.Fprintf(&b, "Access of *%d people* in *%s* has changed: %d were given a role, %d have another role or end, %d have a role less.",
			n.Digest.Users, escapeSlack(v.Organization), n.Digest.Granted, n.Digest.Changed, n.Digest.Revoked)
		return b.String()
	}
	if n.Reason == ReasonReview {
		fmt.Fprintf(&b, "Groups in *%s* must be reviewed:", escapeSlack(v.Organization))
		for i := range v.Reviews {
			if i == mostLines {
				break
			}
			fmt.Fprintf(&b, "\n• %s", escapeSlack(v.Reviews[i].Where+": "+v.Reviews[i].Text))
		}
		if more := max(0, len(v.Reviews)-mostLines) + v.MoreReviews; more > 0 {
			fmt.Fprintf(&b, "\n• and %d more", more)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "*%s*", escapeSlack(v.Name))
	if v.Name != v.User {
		fmt.Fprintf(&b, " (%s)", escapeSlack(v.User))
	}
	fmt.Fprintf(&b, ", access in *%s*:", escapeSlack(v.Organization))
	for i := range n.Changes {
		if i == mostLines {
			fmt.Fprintf(&b, "\n• and %d more", len(n.Changes)-i)
			break
		}
		fmt.Fprintf(&b, "\n• %s", escapeSlack(slackLine(&n.Changes[i])))
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

// escapeSlack returns the text on one line, without anything that Slack reads as a link, a mention, bold or code.
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "ˋ").Replace(strings.Join(strings.Fields(text), " "))
}
