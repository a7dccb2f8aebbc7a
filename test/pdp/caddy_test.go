package pdp_test

import (
	"context"
	"os"
	"os/exec"

	. "github.com/onsi/ginkgo/v2"
)

// startCaddy starts Caddy as documented, and returns the URL.
func startCaddy(ctx context.Context, organization string) string {
	GinkgoHelper()
	path, g := requireProgram("caddy"), newGateway(ctx)
	site := replaced(documentedGateway("caddyfile", "forward_auth"),
		":80 {", "http://"+g.address+" {",
		"https://usher-pdp.usher-system.svc {", "https://"+pdp.Address()+" {",
		"/analytics/", "/"+organization+"/",
		"/etc/caddy/usher/ca.crt", g.authorities,
		"http://finance.analytics.svc:8080", g.application,
	)
	file := g.write("Caddyfile", "{\n\tadmin off\n}\n"+site)
	command := exec.CommandContext(context.WithoutCancel(ctx), path, "run", "--config", file, "--adapter", "caddyfile")
	command.Env = append(os.Environ(), "HOME="+g.dir, "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir)
	return g.start(ctx, command)
}
