package notices_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func metaOf(o organization, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: o.name, Name: name}
}

// annotate asks for notices.
func annotate(ctx context.Context, o organization, kind, name, at string) {
	GinkgoHelper()
	_, err := plane.Kubectl(ctx, "-n", o.name, "annotate", "--overwrite", kind, name, accessv1alpha1.AnnotationNotify+"="+at)
	Expect(err).NotTo(HaveOccurred())
}

// normalised removes the number of the organization.
func normalised(o organization, text string) string { return strings.ReplaceAll(text, o.name, "acme") }

// newClosingServer sends the SMTP greeting and closes the connection at the first command.
func newClosingServer() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(listener.Close)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprint(connection, "220 localhost ESMTP\r\n")
			_, _ = bufio.NewReader(connection).ReadString('\n')
			_ = connection.Close()
		}
	}()
	return listener.Addr().String()
}
