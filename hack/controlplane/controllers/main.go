// Command controllers runs those controllers of kube-controller-manager that affect Usher's objects, with their
// original code and service accounts. It replaces kube-controller-manager, which takes several times as long to build.
//
// Its address answers /healthz when all controllers are running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	cacheddiscovery "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"
)

const resync = 12 * time.Hour

type options struct {
	kubeconfig, privateKey, rootCA, healthAddress string
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of system:kube-controller-manager")
	flag.StringVar(&o.privateKey, "service-account-private-key-file", "", "key that signs service account tokens")
	flag.StringVar(&o.rootCA, "root-ca-file", "", "certificate that is published to service accounts and namespaces")
	flag.StringVar(&o.healthAddress, "health-bind-address", "127.0.0.1:0", "address that answers /healthz")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controllers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	// Controllers end with the process.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m, err := newManager(ctx, o)
	if err != nil {
		return err
	}
	var loops []func(context.Context)
	for _, c := range controllers {
		run, err := c.build(ctx, m)
		if err != nil {
			return fmt.Errorf("make the %s controller: %w", c.name, err)
		}
		loops = append(loops, run)
	}
	m.informers.Start(ctx.Done())
	m.metadataInformers.Start(ctx.Done())
	close(m.started)
	m.informers.WaitForCacheSync(ctx.Done())
	var running sync.WaitGroup
	for _, loop := range loops {
		running.Go(func() { loop(ctx) })
	}
	err = serveHealth(ctx, o.healthAddress)
	cancel()
	running.Wait()
	return err
}

// manager holds what the controllers share.
type manager struct {
	options

	clients           clientbuilder.ControllerClientBuilder // one service account for each controller
	config            *rest.Config                          // the identity of the manager itself
	informers         informers.SharedInformerFactory
	metadataInformers metadatainformer.SharedInformerFactory
	metadata          metadata.Interface
	either            informerfactory.InformerFactory // typed if there is a type, metadata otherwise
	mapper            *restmapper.DeferredDiscoveryRESTMapper
	started           chan struct{}
}

func newManager(ctx context.Context, o options) (*manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	// The defaults of kube-controller-manager.
	config.QPS, config.Burst = 20, 30
	root := clientbuilder.SimpleControllerClientBuilder{ClientConfig: config}
	client, err := root.Client("shared-informers")
	if err != nil {
		return nil, err
	}
	metadataConfig, err := root.Config("metadata-informers")
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(metadataConfig)
	if err != nil {
		return nil, err
	}
	discovery, err := root.DiscoveryClient("controller-discovery")
	if err != nil {
		return nil, err
	}
	m := &manager{
		options: o,
		clients: clientbuilder.NewDynamicClientBuilder(
			rest.AnonymousClientConfig(config), client.CoreV1(), metav1.NamespaceSystem),
		config:            config,
		informers:         informers.NewSharedInformerFactory(client, resync),
		metadataInformers: metadatainformer.NewSharedInformerFactory(metadataClient, resync),
		metadata:          metadataClient,
		mapper:            restmapper.NewDeferredDiscoveryRESTMapper(cacheddiscovery.NewMemCacheClient(discovery)),
		started:           make(chan struct{}),
	}
	m.either = informerfactory.NewInformerFactory(m.informers, m.metadataInformers)
	go wait.Until(m.mapper.Reset, 30*time.Second, ctx.Done())
	return m, nil
}

// serveHealth answers /healthz until ctx ends.
func serveHealth(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("answer /healthz: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer /healthz: %w", err)
	}
	return nil
}
