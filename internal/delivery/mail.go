package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/egress"
)

var mailType = Type{
	Name: accessv1alpha1.ChannelTypeSMTP, NeedsAddress: true, Open: openMail,
	Target: func(spec *accessv1alpha1.NotificationChannel) (key, target string) {
		return accessv1alpha1.ChannelKeyServer, spec.SMTP.Server
	},
}

// mailer sends mail. It keeps its connection open between notices.
type mailer struct {
	client   *gomail.Client
	sender   string
	template accessv1alpha1.MailTemplate
	// received limits what the server may send about one mail.
	received *egress.Allowance
	open     bool
}

func openMail(c *Connection) (Sender, error) {
	host, text, err := net.SplitHostPort(c.Spec.SMTP.Server)
	if err != nil {
		return nil, fmt.Errorf("smtp.server: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("smtp.server: %q is not a port", text)
	}
	c.TLS.ServerName = host
	received, dialer := &egress.Allowance{}, c.Targets.Dialer()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return received.Dial(ctx, dialer, network, address)
	}
	options := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(c.Targets.Timeout), gomail.WithTLSConfig(c.TLS),
		gomail.WithDialContextFunc(dial),
	}
	method := gomail.SMTPAuthAutoDiscover
	switch c.Spec.SMTP.TLS {
	case accessv1alpha1.SMTPTLSTLS:
		options = append(options, gomail.WithSSL(), gomail.WithDialContextFunc(
			func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return handshake(ctx, conn, c.TLS)
			}))
	case accessv1alpha1.SMTPTLSNone:
		if !c.Targets.Plaintext {
			return nil, errors.New("smtp.tls is None, and mail without TLS is refused unless --notice-plaintext=Allowed")
		}
		method = gomail.SMTPAuthPlainNoEnc
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if name := string(c.Secret[accessv1alpha1.ChannelKeyUsername]); name != "" {
		options = append(options, gomail.WithSMTPAuth(method), gomail.WithUsername(name),
			gomail.WithPassword(string(c.Secret[accessv1alpha1.ChannelKeyPassword])))
	}
	mail, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return &mailer{client: mail, sender: c.Spec.SMTP.Sender, template: c.Spec.SMTP.Template, received: received}, nil
}

// handshake starts TLS on the connection. It closes the connection if that fails.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the error of the handshake says more
		return nil, err
	}
	return secured, nil
}

// Send sends a mail.
func (m *mailer) Send(ctx context.Context, n *Notice) (remark, err error) {
	message, remark, err := m.message(n)
	if err != nil {
		return remark, &NoticeError{Err: err, Final: true}
	}
	m.received.Renew()
	if !m.open {
		if err := m.client.DialWithContext(ctx); err != nil {
			return remark, fmt.Errorf("connecting to the mail server: %w", err)
		}
		m.open = true
	}
	err = m.client.Send(message)
	if err == nil || message.IsDelivered() {
		if err != nil {
			m.Close() // the server accepted the mail, and failed afterwards
		}
		return remark, nil
	}
	return remark, m.failed(err)
}

// failed returns a NoticeError if the server refuses only this mail. Otherwise it closes the connection, whose state may be
// unknown.
func (m *mailer) failed(err error) error {
	var failure *gomail.SendError
	if errors.As(err, &failure) && failure.ErrorCode() != 0 && failure.ErrorCode() != closing &&
		(failure.Reason == gomail.ErrSMTPRcptTo || failure.Reason == gomail.ErrSMTPDataClose) {
		return &NoticeError{Err: err, Final: failure.ErrorCode() >= 500}
	}
	m.Close()
	return err
}

// closing is the code of a mail server that closes the connection (RFC 5321, 3.8).
const closing = 421

// Close closes the connection to the server.
func (m *mailer) Close() {
	if m.open {
		_ = m.client.Close() // nothing is left to send
		m.open = false
	}
}

// message returns the mail for a notice, and the remark of [Sender] about the template.
func (m *mailer) message(n *Notice) (message *gomail.Msg, remark, err error) {
	text, remark := render(n, &m.template)
	message = gomail.NewMsg()
	if err := message.FromFormat("Usher", m.sender); err != nil {
		return nil, remark, fmt.Errorf("smtp.sender: %w", err)
	}
	if !IsAddress(n.Address) {
		return nil, remark, fmt.Errorf("%q is not an e-mail address", n.Address)
	}
	if err := message.To(n.Address); err != nil {
		return nil, remark, fmt.Errorf("%q is not an e-mail address: %w", n.Address, err)
	}
	_, domain, _ := strings.Cut(m.sender, "@")
	message.SetMessageIDWithValue(n.ID + "@" + domain)
	message.SetDateWithValue(n.At)
	message.SetUserAgent("Usher")
	message.SetGenHeader("Auto-Submitted", "auto-generated") // prevents automatic replies (RFC 3834)
	message.Subject(text.Subject)
	message.SetBodyString(gomail.TypeTextPlain, text.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, text.HTML)
	return message, remark, nil
}
