package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The ports are below the ephemeral range of the kernel, so that nobody takes the manager's port while it is down.
const (
	firstPort = 20000
	lastPort  = 32000
	portTries = 100
)

// webhookArgs returns the flags for the webhooks and their address.
func (c *Cluster) webhookArgs(ctx context.Context, options ManagerOptions) ([]string, string, error) {
	if !options.Webhooks {
		return nil, "", nil
	}
	address := options.WebhookAddress
	if address == "" {
		var err error
		if address, err = c.webhookAddress(ctx); err != nil {
			return nil, "", err
		}
	}
	return []string{"--webhook-bind-address=" + address, "--webhook-dns-names=localhost"}, address, nil
}

// webhookAddress returns the address at which the API server calls the webhooks of this cluster. It stays the same for
// processes that attach.
func (c *Cluster) webhookAddress(ctx context.Context) (string, error) {
	path := filepath.Join(c.dir, "webhook-address")
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("find the address of the webhooks: %w", err)
	}
	address, err := FreeWebhookAddress(ctx)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(address+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("remember the address of the webhooks: %w", err)
	}
	return address, nil
}

// FreeWebhookAddress returns an address on this machine that is not in use.
func FreeWebhookAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	var failed error
	for range portTries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			failed = err
			continue
		}
		return address, listener.Close()
	}
	return "", fmt.Errorf("find a free port: %w", failed)
}

// localhost returns the address with the host name in the webhooks' certificate.
func localhost(address string) string {
	_, port, _ := net.SplitHostPort(address) // the address comes from this package
	return net.JoinHostPort("localhost", port)
}
