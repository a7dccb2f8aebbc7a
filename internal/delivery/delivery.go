package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/egress"
)

// Type describes how to deliver through channels of one type.
type Type struct {
	Name accessv1alpha1.ChannelType
	// NeedsAddress reports whether every notice needs the e-mail address of its user.
	NeedsAddress bool
	// Target returns the key of the Secret that must name the target of the channel, and the target. The key is empty if
	// the Secret itself is the target.
	Target func(*accessv1alpha1.NotificationChannel) (key, target string)
	// Open returns a sender for a channel.
	Open func(*Connection) (Sender, error)
}

// Types are the supported types. Each is in its own file.
var Types = []Type{mailType, webhookType, slackType}

// Connection is what a channel is opened with.
type Connection struct {
	Spec *accessv1alpha1.NotificationChannel
	// Secret is the data of the channel's Secret; nil: it has none.
	Secret  map[string][]byte
	TLS     *tls.Config
	Targets *egress.Targets
	Now     func() time.Time
}

// Sender delivers through one open channel. It is not safe for concurrent use.
type Sender interface {
	// Send delivers one notice. A remark is an error in the declaration of the channel that did not prevent the delivery.
	// An error is a *[NoticeError] if it concerns only this notice, a *[WaitError] if the receiver asks to wait, and
	// otherwise concerns the channel.
	Send(ctx context.Context, n *Notice) (remark, err error)
	// Close closes connections. It may be called several times.
	Close()
}

// NoticeError is an error that concerns one notice and not the channel.
type NoticeError struct {
	Err error
	// Final reports whether a retry cannot help.
	Final bool
}

// Error returns the message of the receiver.
func (e *NoticeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NoticeError) Unwrap() error { return e.Err }

// WaitError is a request of the receiver to wait before the next notice.
type WaitError struct {
	Err  error
	Wait time.Duration
}

// Error returns the message of the receiver.
func (e *WaitError) Error() string { return e.Err.Error() }

// TypeOf returns the type of a channel, or an error if it is not supported.
func TypeOf(spec *accessv1alpha1.NotificationChannel) (*Type, error) {
	names := make([]string, len(Types))
	for i := range Types {
		names[i] = string(Types[i].Name)
		if Types[i].Name == spec.Type {
			return &Types[i], nil
		}
	}
	last := len(names) - 1
	return nil, fmt.Errorf("type %q of channel %s is not known: use %s or %s",
		spec.Type, spec.Name, strings.Join(names[:last], ", "), names[last])
}

// post sends a request and returns the error that the response means for a notice; nil: the receiver accepted it.
func post(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be reused; the body is bounded
	_ = response.Body.Close()
	return answer(response.StatusCode, http.StatusText(response.StatusCode))
}

// answer returns the error that the status code of a receiver means for a notice; nil: the receiver accepted it.
func answer(code int, text string) error {
	err := fmt.Errorf("the receiver answered %d %s", code, text)
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: redirects are not followed; give the channel the address itself", err)
	case code >= 500, slices.Contains(channelCodes, code):
		return err
	default:
		return &NoticeError{Err: err, Final: true}
	}
}

// channelCodes are the status codes below 500 that do not depend on the notice.
var channelCodes = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone,
	http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
}
