package notify

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
)

// mailer sends mail over one connection, which it keeps while there is something to send.
type mailer struct {
	client   *gomail.Client
	sender   string
	template accessv1alpha1.MailTemplate
	// received is what the server may yet send about the mail that is being sent.
	received *allowance
	open     bool
}

func (c *channels) openMail(
	spec *accessv1alpha1.NotificationChannel, secret map[string][]byte, config *tls.Config,
) (sender, error) {
	host, text, err := net.SplitHostPort(spec.SMTP.Server)
	if err != nil {
		return nil, fmt.Errorf("smtp.server: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("smtp.server: %q is no port", text)
	}
	config.ServerName = host
	received, dialer := &allowance{}, c.targets.dialer()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return received.dial(ctx, dialer, network, address)
	}
	options := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(c.targets.Timeout), gomail.WithTLSConfig(config),
		gomail.WithDialContextFunc(dial),
	}
	switch spec.SMTP.TLS {
	case accessv1alpha1.SMTPTLSTLS:
		options = append(options, gomail.WithSSL(), gomail.WithDialContextFunc(
			func(ctx context.Context, network, address string) (net.Conn, error) {
				made, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return handshake(ctx, made, config)
			}))
	case accessv1alpha1.SMTPTLSNone:
		if !c.targets.Plaintext {
			return nil, errors.New("smtp.tls is None, and mail without TLS is refused unless --notice-plaintext=Allowed")
		}
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if name := string(secret[accessv1alpha1.ChannelKeyUsername]); name != "" {
		method := gomail.SMTPAuthAutoDiscover
		if spec.SMTP.TLS == accessv1alpha1.SMTPTLSNone {
			method = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithSMTPAuth(method), gomail.WithUsername(name),
			gomail.WithPassword(string(secret[accessv1alpha1.ChannelKeyPassword])))
	}
	made, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return &mailer{client: made, sender: spec.SMTP.Sender, template: spec.SMTP.Template, received: received}, nil
}

// handshake begins TLS on the connection, or closes it.
func handshake(ctx context.Context, over net.Conn, config *tls.Config) (net.Conn, error) {
	secured := tls.Client(over, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = over.Close() // the error of the handshake says more
		return nil, err
	}
	return secured, nil
}

func (m *mailer) send(ctx context.Context, n *Notice) (remark, err error) {
	message, remark, err := m.message(n)
	if err != nil {
		return remark, &noticeError{err: err, final: true}
	}
	m.received.renew()
	if !m.open {
		if err := m.client.DialWithContext(ctx); err != nil {
			return remark, fmt.Errorf("connecting to the mail server: %w", err)
		}
		m.open = true
	}
	err = m.client.Send(message)
	if err == nil || message.IsDelivered() {
		if err != nil {
			m.close() // it took the mail, and then did something odd
		}
		return remark, nil
	}
	return remark, m.failed(err)
}

// failed says whom the error regards.
func (m *mailer) failed(err error) error {
	var failure *gomail.SendError
	if !errors.As(err, &failure) || failure.ErrorCode() == 0 {
		m.close() // the connection is gone, or who knows where it stands
		return err
	}
	switch failure.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPDataClose:
		if failure.ErrorCode() == closing {
			m.close()
			return err
		}
		return &noticeError{err: err, final: failure.ErrorCode() >= 500}
	default:
		m.close()
		return err
	}
}

// closing is how a mail server says that it goes (RFC 5321, 3.8).
const closing = 421

func (m *mailer) close() {
	if m.open {
		_ = m.client.Close() // nothing is left to be sent
		m.open = false
	}
}

func (m *mailer) message(n *Notice) (*gomail.Msg, error, error) {
	said, remark := render(n, &m.template)
	message := gomail.NewMsg()
	if err := message.FromFormat("Usher", m.sender); err != nil {
		return nil, remark, fmt.Errorf("smtp.sender: %w", err)
	}
	if !isAddress(n.Address) {
		return nil, remark, fmt.Errorf("%q is no e-mail address", n.Address)
	}
	if err := message.To(n.Address); err != nil {
		return nil, remark, fmt.Errorf("%q is no e-mail address: %w", n.Address, err)
	}
	_, domain, _ := strings.Cut(m.sender, "@")
	message.SetMessageIDWithValue(n.ID + "@" + domain)
	message.SetDateWithValue(n.At)
	message.SetUserAgent("Usher")
	message.SetGenHeader("Auto-Submitted", "auto-generated") // no answer of an absent person (RFC 3834)
	message.Subject(said.Subject)
	message.SetBodyString(gomail.TypeTextPlain, said.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, said.HTML)
	return message, remark, nil
}
