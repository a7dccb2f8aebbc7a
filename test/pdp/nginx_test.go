package pdp_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os/exec"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// nginxConfiguration has what is around a server.
const nginxConfiguration = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
%s}
`

// startNginx starts NGINX as documented, and returns the URL.
func startNginx(ctx context.Context, organization string) string {
	GinkgoHelper()
	path, g := requireProgram("nginx"), newGateway(ctx)
	return g.startNginx(ctx, path, organization, documentedGateway("nginx", "auth_request /usher;"))
}

// startNginxWithUsers starts NGINX as documented for users that it authenticates itself. The password of USER is
// "password of USER".
func startNginxWithUsers(ctx context.Context, organization string) string {
	GinkgoHelper()
	path, g := requireProgram("nginx"), newGateway(ctx)
	pair := gateways.issue("gateway")
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	Expect(err).NotTo(HaveOccurred())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	users := g.write("users", "ana:{PLAIN}password of ana\nben:{PLAIN}password of ben\n")
	server := replaced(documentedGateway("nginx", "auth_request /usher;"),
		"    proxy_set_header X-Forwarded-User \"\";\n", replaced(documentedGateway("nginx", "$remote_user"),
			"/etc/nginx/usher/tls.crt", g.write("tls.crt", string(certificate)),
			"/etc/nginx/usher/tls.key", g.write("tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))),
		),
		"    auth_request /usher;\n", "    auth_basic users;\n    auth_basic_user_file "+users+";\n    auth_request /usher;\n",
	)
	return g.startNginx(ctx, path, organization, server)
}

func (g *gateway) startNginx(ctx context.Context, path, organization, server string) string {
	GinkgoHelper()
	server = replaced(server,
		"listen 80;", "listen "+g.address+";",
		"https://usher-pdp.usher-system.svc/", "https://"+pdp.Address()+"/",
		"/analytics/", "/"+organization+"/",
		"/etc/nginx/usher/ca.crt", g.authorities,
		"http://finance.analytics.svc:8080", g.application,
	)
	file := g.write("nginx.conf", fmt.Sprintf(nginxConfiguration, server))
	return g.start(ctx, exec.CommandContext(context.WithoutCancel(ctx), path, "-p", g.dir, "-c", file, "-e", "stderr"))
}
